"""Tables that change while they are replicated: wider types, emptied tables, partitions."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import pytest
from conftest import Landscape
from test_sync import changed, columns_of, sync_to

from runner import landing
from runner.changes import Changes
from runner.contract import Table, read_contract
from runner.deploy import connected

STATS = "trading_stats"


@contextmanager
def trading(landscape: Landscape, *statements: str) -> Iterator[None]:
    """Somebody who runs these statements again and again meanwhile, each in its own transaction."""
    is_over = threading.Event()
    errors: list[Exception] = []
    rounds = threading.Semaphore(0)

    def trade() -> None:
        try:
            with landscape.primary.connect(autocommit=True) as connection:
                while not is_over.is_set():
                    for statement in statements:
                        connection.execute(statement)
                    rounds.release()
        except Exception as error:
            errors.append(error)
            rounds.release(100)

    def wait_for_rounds() -> None:
        for _ in range(3):
            assert rounds.acquire(timeout=60)
        assert not errors, errors

    thread = threading.Thread(target=trade)
    thread.start()
    try:
        wait_for_rounds()
        yield
        # Some come after whatever was done.
        while rounds.acquire(blocking=False):
            pass
        wait_for_rounds()
    finally:
        is_over.set()
        thread.join(60)
    assert not errors, errors


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


def copies(landscape: Landscape) -> list[tuple[object, ...]]:
    """What tells that a table was copied anew, and when each table's first copy was done."""
    return landscape.on_replica(
        "select table_name, xid::text from signal_marts.copies union all"
        " select srrelid::regclass::text, srsublsn::text from pg_subscription_rel order by 1, 2"
    )


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
            " (id, date, net_profit, total_trades, winning_trades, losing_trades)"
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


@pytest.mark.parametrize(
    ("former", "latter"), [("bigint", "integer"), ("numeric", "double precision")]
)
def test_other_types_are_copied_again(landscape: Landscape, former: str, latter: str) -> None:
    column = "total_trades" if latter == "integer" else "net_profit"
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
