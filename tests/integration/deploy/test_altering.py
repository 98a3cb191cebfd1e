"""Tables that change while they are replicated: wider types, emptied tables, partitions."""

from __future__ import annotations

import itertools
from collections.abc import Sequence

import pytest
from drills import problems, wait
from landscapes import Landscape
from psycopg import sql
from syncing import changed, columns_of, copies, sync_to
from trading_meanwhile import STATS, trading

from runner.deploy import migrations
from runner.deploy.migrations import MigrationError
from runner.replication import landing
from runner.servers.changes import Changes
from runner.servers.contract import Table, read_contract
from runner.servers.database import Connection
from runner.servers.sides import connected


def with_types(contract: Sequence[Table], types: dict[str, str]) -> tuple[Table, ...]:
    """The contract with other types of columns of the daily statistics."""
    columns = [(name, types.get(name, kind)) for name, kind in columns_of(contract, STATS)]
    return changed(contract, STATS, columns)


def widen(landscape: Landscape, contract: Sequence[Table]) -> list[str]:
    changes = Changes(report=lambda line: None)
    with connected(landscape.primary, landscape.replica) as sides:
        landing.widen(sides.on_replica, contract, changes)
    return changes.made


def landing_type(landscape: Landscape, column: str) -> str:
    ((found,),) = landscape.on_replica(
        "select format_type(atttypid, atttypmod) from pg_attribute"
        f" where attrelid = '{STATS}'::regclass and attname = '{column}'"
    )
    return str(found)


def test_landing_columns_are_widened_in_place(landscape: Landscape) -> None:
    whole = read_contract()
    narrow = with_types(whole, {"id": "integer", "total_trades": "smallint"})
    landscape.on_primary(f"alter table {STATS} alter column total_trades type smallint")
    landscape.deploy()
    sync_to(landscape, narrow)
    landscape.on_replica(f"create view watched as select id, total_trades from {STATS}")
    wide = with_types(whole, {"id": "numeric", "total_trades": "bigint", "losing_trades": "bigint"})
    stamps = f"select id, _xid::text from {STATS} where id = -3"
    with trading(
        landscape,
        f"insert into {STATS} (date, net_profit) select max(date) + 1, 0.5 from {STATS}",
        f"update {STATS} set net_profit = net_profit + 1 where id % 2 = 0",
        f"delete from {STATS} where id % 7 = 3",
    ):
        landscape.on_primary(
            f"insert into {STATS} (id, date, net_profit, total_trades)"
            " values (-3, '1999-01-01', 1, 2)"
        )
        sync_to(landscape, narrow)
        before = copies(landscape), landscape.on_replica(stamps)
        assert any("id is numeric" in line for line in widen(landscape, wide))
        assert widen(landscape, wide) == []
        assert (landing_type(landscape, "id"), landing_type(landscape, "total_trades")) == (
            "numeric",
            "bigint",
        )
        # The platform follows, and holds what only the wider types take.
        landscape.on_primary(
            f"alter publication signal_marts drop table {STATS};"
            f"alter table {STATS} alter column id type bigint,"
            " alter column total_trades type bigint;"
            f"alter publication signal_marts add table {STATS}"
            f" ({', '.join(name for name, _ in columns_of(wide, STATS))})"
        )
        landscape.on_primary(
            f"insert into {STATS} (id, date, net_profit, total_trades)"
            " values (-5000000000, '1999-01-02', 1, 5000000000)"
        )
        assert sync_to(landscape, wide) == []
        landscape.on_primary(f"update {STATS} set id = -5000000001 where id = -5000000000")
    sync_to(landscape, wide)
    assert before == (
        copies(landscape),
        landscape.on_replica(stamps.replace("< 0", "between -9 and 0")),
    )
    assert landscape.differences(wide) == []
    keys = f"select key from signal_marts.change_log where table_name = 'public.{STATS}'"
    assert ({"id": -5000000000},) in landscape.on_replica(keys)


def test_keys_of_another_type_are_forgotten(landscape: Landscape) -> None:
    """A deleted row's old key could be no key of the new type, and stop a build."""
    landscape.deploy()
    key = (
        f"alter publication signal_marts drop table {STATS};"
        f"alter table {STATS} alter column id drop default, alter column id type"
    )
    landscape.on_primary(f"{key} text")
    logged = f"select count(*) from signal_marts.change_log where table_name = 'public.{STATS}'"
    sync_to(landscape, with_types(read_contract(), {"id": "text"}))
    landscape.on_primary(f"delete from {STATS} where id = (select min(id) from {STATS})")
    wait(landscape)
    assert landscape.on_replica(logged) == [(1,)]
    landscape.on_primary(f"{key} bigint using id::bigint")
    made = landscape.deploy()
    assert any("key has another type" in line for line in made)
    assert landscape.on_replica(logged) == [(0,)]
    assert landscape.differences() == []


@pytest.mark.parametrize(
    ("former", "latter"), [("bigint", "integer"), ("double precision", "numeric")]
)
def test_other_types_are_copied_again(landscape: Landscape, former: str, latter: str) -> None:
    column = "total_trades"
    whole = read_contract()
    landscape.deploy()
    sync_to(landscape, with_types(whole, {column: former}))
    other = with_types(whole, {column: latter})
    assert any("to be copied again" in line for line in sync_to(landscape, other))
    assert landing_type(landscape, column) == latter
    assert landscape.differences(other) == []


def test_a_table_without_triggers_is_not_widened_into_order(landscape: Landscape) -> None:
    """Its changes went unnoticed: it is copied again, in the wider type."""
    whole = read_contract()
    narrow = with_types(whole, {"id": "integer"})
    landscape.deploy()
    sync_to(landscape, narrow)
    landscape.on_replica(f"alter table {STATS} disable trigger signal_marts_log_delete")
    landscape.on_primary(f"delete from {STATS} where id % 2 = 0")
    made = sync_to(landscape, whole)
    assert any(f"capture of public.{STATS} mended" in line for line in made)
    assert landing_type(landscape, "id") == "bigint"
    assert landscape.differences() == []


def test_change_capture_is_whole_where_a_migration_fails(
    landscape: Landscape, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A table that is widened before them is followed from then on, and known to lack changes."""

    def fail(*_: object, **__: object) -> list[str]:
        raise MigrationError("it fails")

    landscape.deploy()
    sync_to(landscape, with_types(read_contract(), {"id": "integer"}))
    landscape.on_replica(f"alter table {STATS} disable trigger signal_marts_log_delete")
    with monkeypatch.context() as failing:
        failing.setattr(migrations, "apply", fail)
        for _ in range(2):
            with pytest.raises(MigrationError, match="it fails"):
                landscape.deploy()
    assert landing_type(landscape, "id") == "bigint"
    found = problems(landscape)
    assert not [problem for problem in found if "go unnoticed" in problem], found
    assert [problem for problem in found if f"to be copied again: public.{STATS}" in problem]
    landscape.on_primary(f"delete from {STATS} where id = (select min(id) from {STATS})")
    wait(landscape)
    logged = f"select count(*) from signal_marts.change_log where table_name = 'public.{STATS}'"
    assert landscape.on_replica(logged) == [(1,)]
    landscape.deploy()
    assert landscape.differences() == []
    assert problems(landscape) == []


WIDENING: dict[str, set[str]] = {
    "smallint": {
        "integer",
        "bigint",
        "numeric",
        "numeric(5)",
        "numeric(9,4)",
        "numeric(8,3)",
        "numeric(9)",
    },
    "integer": {"bigint", "numeric"},
    "bigint": {"numeric"},
    "numeric(5)": {"numeric", "numeric(9,4)", "numeric(8,3)", "numeric(9)"},
    "numeric(8,3)": {"numeric", "numeric(9,4)"},
    "numeric(9,4)": {"numeric"},
    "numeric(5,-2)": {"numeric", "numeric(9)"},
    "numeric(9)": {"numeric"},
    "varchar(5)": {"varchar(9)", "varchar", "text"},
    "varchar(9)": {"varchar", "text"},
    "varchar": {"text"},
    "timestamptz(3)": {"timestamptz(6)", "timestamptz"},
    "timestamptz(6)": {"timestamptz"},
    "timestamptz": {"timestamptz(6)"},
    "numeric": set(),
    "text": set(),
    "char(5)": set(),
    "real": set(),
    "double precision": set(),
    "json": set(),
    "jsonb": set(),
    "date": set(),
}


def test_which_types_only_widen(deployed_primary: Connection) -> None:
    deployed_primary.execute(
        sql.SQL("create temporary table every_type ({})").format(
            sql.SQL(", ").join(
                sql.SQL("{} {}").format(sql.Identifier(name), sql.SQL(name)) for name in WIDENING
            )
        )
    )
    rows = deployed_primary.execute(
        "select former.attname::text, latter.attname::text from pg_attribute as former"
        " inner join pg_attribute as latter using (attrelid)"
        " where attrelid = 'every_type'::regclass and former.attnum > 0 and latter.attnum > 0"
        " and former.attnum <> latter.attnum and public.type_only_widens("
        " former.atttypid, former.atttypmod, latter.atttypid, latter.atttypmod)"
    ).fetchall()
    expected = {
        (former, latter)
        for former, latter in itertools.permutations(WIDENING, 2)
        if latter in WIDENING[former]
    }
    assert set(rows) == expected
