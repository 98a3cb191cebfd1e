"""Bars are moved into partitions while somebody stores bars, and the replica follows."""

from __future__ import annotations

import psycopg
import pytest
from drills import problems
from landscapes import Landscape
from syncing import sync_to
from trading_meanwhile import trading

from runner.replication import partitions
from runner.servers.contract import read_contract
from runner.servers.database import scalar
from runner.servers.planted import PlantedError, plain
from runner.servers.sides import connected
from runner.settings import PROJECT

BOUND, PARTITION = (
    (PROJECT / "deploy/growth" / name).read_text() for name in ("1_bound.sql", "2_partition.sql")
)
BAR = "insert into market_bars select 'BTC', '1h', {at}, 100, 101, 99, 100, 1"
TRADES = (
    # A writer that waits longer has failed.
    "set lock_timeout = '30s'",
    BAR.format(at="coalesce(max(opened_at), '2025-01-01') + interval '1 hour'")
    + " from market_bars where symbol = 'BTC' and timeframe = '1h'",
    "update market_bars set volume = volume + 1 where symbol = 'BTC'",
    "delete from market_bars where extract(hour from opened_at) = 3",
)
OPTIONS = (
    "select distinct reloptions from pg_class where relname ~ '^market_bars_' and relkind = 'r'"
)
CANARY = "create function public.canary() returns integer language sql immutable as 'select 1'"
IMPOSTOR = """
create function public.quote_ident(name) returns text language plpgsql as
$$ begin raise exception 'an impostor ran'; end $$
"""
TRAPS = (
    "create index trap on public.market_bars_past ((public.canary() + length(symbol)))",
    "alter table public.market_bars_other add constraint trap check (public.canary() > 0)",
)


def _rights(landscape: Landscape) -> list[tuple[object, ...]]:
    """Who may do what with bars and their columns, and what is told of the table."""
    return landscape.on_primary(
        "select relowner, relacl::text, obj_description(oid), (select"
        " array_agg((attname, attacl::text)::text order by attnum) from pg_attribute"
        " where attrelid = c.oid and attnum > 0) from pg_class as c where relname = 'market_bars'"
    )


def test_bars_are_partitioned_beside_a_writer(landscape: Landscape) -> None:
    landscape.deploy()
    landscape.on_primary(BAR.format(at="'2024-12-31'"))
    held = _rights(landscape)
    copied = "select count(*) from signal_marts.copies where table_name = 'public.market_bars'"
    before = landscape.on_replica(copied)
    with trading(landscape, *TRADES):
        with landscape.primary.connect(autocommit=True) as connection:
            connection.execute(BOUND)
        # A reader in a long transaction keeps it out, and it keeps nobody out for long.
        with landscape.primary.connect() as reader:
            reader.execute("select from market_bars limit 1")
            with pytest.raises(psycopg.errors.LockNotAvailable):
                landscape.on_primary(PARTITION)
        landscape.on_primary(PARTITION)
    sync_to(landscape, read_contract())
    assert landscape.differences() == []
    assert _rights(landscape) == held

    # Rows of new partitions, of none, and one that is changed across them.
    landscape.on_primary(
        "; ".join(BAR.format(at=f"now() + interval '{months} months'") for months in (6, 600))
    )
    landscape.on_primary(
        "update market_bars set opened_at = opened_at + interval '1 month' where opened_at > now()"
    )
    with pytest.raises(psycopg.errors.CheckViolation, match="beyond its limit"):
        landscape.on_primary(BAR.format(at="'1950-01-01'"))
    with pytest.raises(psycopg.errors.CheckViolation, match="prices_check"):
        landscape.on_primary(BAR.format(at="'2024-12-30'").replace("101", "0"))
    with connected(landscape.primary, landscape.replica) as sides:
        found = partitions.look(
            sides.on_primary, sides.on_replica, read_contract(), fence_timeout=60
        )
        assert scalar(sides.on_primary, "select count(*) from only market_bars_past") > 0
    assert found == set()
    assert not [problem for problem in problems(landscape) if "market_bars" in problem]
    assert [line for line in landscape.deploy() if "market_bars" in line] == []
    assert landscape.differences() == []
    assert landscape.on_replica(copied) == before


def test_bars_that_a_view_reads_are_left(landscape: Landscape) -> None:
    landscape.deploy()
    landscape.on_primary("create view watched as select symbol from market_bars")
    with pytest.raises(psycopg.errors.ObjectNotInPrerequisiteState, match="no proven bound"):
        landscape.on_primary(PARTITION)
    with landscape.primary.connect(autocommit=True) as connection:
        connection.execute(BOUND)
    with pytest.raises(psycopg.errors.DependentObjectsStillExist, match="a view"):
        landscape.on_primary(PARTITION)
    landscape.on_primary("drop view watched")
    # An index of somebody's function would be made anew with the rights of whoever runs it.
    landscape.on_primary(
        f"{CANARY}; create index trap on public.market_bars ((public.canary() + length(symbol)))"
    )
    with pytest.raises(psycopg.errors.ObjectNotInPrerequisiteState, match="not PostgreSQL's own"):
        landscape.on_primary(PARTITION)
    # Nor does a function of somebody's stand in for one of the server's.
    landscape.on_primary(f"drop index trap; {IMPOSTOR}")
    landscape.on_primary(PARTITION)
    assert landscape.on_primary("select relkind from pg_class where relname = 'market_bars'") == [
        ("p",)
    ]
    # All partitions are vacuumed like the table before them.
    assert len(landscape.on_primary(OPTIONS)) == 1


LOST = {
    "disabled trigger": (
        "create trigger watched before update on market_bars for each row"
        " execute function suppress_redundant_updates_trigger();"
        "alter table market_bars disable trigger watched",
        "alter table market_bars enable trigger watched",
    ),
    "trigger of replicas": (
        "alter table market_bars enable replica trigger watched",
        "drop trigger watched on market_bars",
    ),
    "row filter": (
        "alter publication signal_marts drop table market_bars;"
        "alter publication signal_marts add table market_bars where (symbol <> '')",
        "alter publication signal_marts drop table market_bars;"
        "alter publication signal_marts add table market_bars",
    ),
}


def test_bars_that_would_lose_a_setting_are_left(landscape: Landscape) -> None:
    landscape.deploy()
    with landscape.primary.connect(autocommit=True) as connection:
        connection.execute(BOUND)
    for plant, mend in LOST.values():
        landscape.on_primary(plant)
        with pytest.raises(psycopg.errors.ObjectNotInPrerequisiteState, match="row filter"):
            landscape.on_primary(PARTITION)
        landscape.on_primary(mend)
    landscape.on_primary(PARTITION)


def test_a_partition_runs_no_code_of_its_owner(landscape: Landscape) -> None:
    landscape.deploy()
    with landscape.primary.connect(autocommit=True) as connection:
        connection.execute(BOUND)
        connection.execute(PARTITION)
        with plain(connection, "public.market_bars"):
            pass
        connection.execute(CANARY)
        for trap in TRAPS:
            with connection.transaction(force_rollback=True):
                connection.execute(trap)
                with (
                    pytest.raises(PlantedError, match="canary"),
                    plain(connection, "public.market_bars"),
                ):
                    pass
        # While one part is locked, another may get parts of its own.
        connection.execute(
            "create table public.parts partition of public.market_bars"
            " for values from ('2100-01-01') to ('2101-01-01') partition by list (symbol)"
        )
        with (
            pytest.raises(PlantedError, match="partitions of partitions"),
            plain(connection, "public.market_bars"),
        ):
            pass
