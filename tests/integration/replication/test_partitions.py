"""Tables that are emptied or get partitions while they are replicated."""

from __future__ import annotations

from drills import problems
from landscapes import Landscape
from syncing import sync_to
from trading_meanwhile import PARTITIONED, PATTERN, STATS, trading

from runner.replication import partitions
from runner.servers.contract import read_contract
from runner.servers.sides import connected

# --- tables that are emptied, and partitions ----------------------------------------------------


def test_truncate_is_replicated(landscape: Landscape) -> None:
    landscape.deploy()
    sync_to(landscape, read_contract())
    landscape.on_primary(f"create table kept as select * from {STATS}")
    emptied = "select count(*) from signal_marts.copies where table_name = 'public.trading_stats'"
    ((before,),) = landscape.on_replica(emptied)
    with landscape.primary.connect() as connection:
        connection.execute(f"truncate {STATS}")
        connection.rollback()
    # The same keys again, in one transaction and in two.
    landscape.on_primary(f"truncate {STATS}; insert into {STATS} select * from kept")
    sync_to(landscape, read_contract())
    assert landscape.differences() == []
    landscape.on_primary(f"truncate {STATS}")
    landscape.on_primary(f"insert into {STATS} select * from kept where id % 2 = 0")
    sync_to(landscape, read_contract())
    assert landscape.differences() == []
    assert landscape.on_replica(emptied) == [(int(str(before)) + 2,)]
    assert landscape.deploy() == []


PATTERNS = "public.micro_patterns"


def differing(landscape: Landscape) -> set[str]:
    """What a build finds, and status tells."""
    with connected(landscape.primary, landscape.replica) as sides:
        found = partitions.look(
            sides.on_primary, sides.on_replica, read_contract(), fence_timeout=60
        )
    told = [problem for problem in problems(landscape) if "partition" in problem]
    assert len(told) == len(found), told
    return found


def test_partitions_come_and_go(landscape: Landscape) -> None:
    landscape.on_primary(PARTITIONED)
    landscape.on_primary(PATTERN.format(table="micro_patterns", day="2025-01-01", first=900000))
    landscape.on_primary(PATTERN.format(table="micro_patterns", day="2024-11-01", first=800000))
    landscape.deploy()
    sync_to(landscape, read_contract())
    assert differing(landscape) == set()

    harmless = [
        "create table to_come partition of micro_patterns"
        " for values from ('2025-06-01') to ('2026-01-01')",
        PATTERN.format(table="micro_patterns", day="2025-08-01", first=700000),
        "alter table micro_patterns alter column notes type varchar(99);"
        "alter table apart alter column notes type varchar(99)",
        "truncate micro_patterns;"
        + PATTERN.format(table="micro_patterns", day="2025-08-01", first=700000)
        + ";"
        + PATTERN.format(table="micro_patterns", day="2025-01-01", first=900000)
        + ";"
        + PATTERN.format(table="micro_patterns", day="2024-11-01", first=800000),
    ]
    for statement in harmless:
        landscape.on_primary(statement)
        assert differing(landscape) == set(), statement
    with trading(
        landscape,
        "insert into micro_patterns"
        " (id, symbol, created_at, timeframe, pattern_type, confidence, signal)"
        " select max(id) + 1, 'BTC', '2025-02-01', '1h', 'flag', 0.5, 'BUY' from micro_patterns",
        "delete from micro_patterns where id % 3 = 1 and pattern_type = 'flag'",
    ):
        with landscape.primary.connect(autocommit=True) as connection:
            connection.execute("vacuum full newest")
        assert any("were rewritten" in problem for problem in problems(landscape))
        assert differing(landscape) == set()
    assert landscape.deploy() == []

    harmful = [
        "truncate newest",
        PATTERN.format(table="apart", day="2026-05-01", first=600000)
        + ";alter table micro_patterns attach partition apart"
        " for values from ('2026-01-01') to ('2027-01-01')",
        # Back with other rows, in the same file.
        "alter table micro_patterns detach partition apart; update apart set symbol = 'ETH';"
        "alter table micro_patterns attach partition apart"
        " for values from ('2026-01-01') to ('2027-01-01')",
        "alter table micro_patterns detach partition apart",
        # As many rows come as go.
        "alter table micro_patterns detach partition to_come;"
        "alter table micro_patterns attach partition apart"
        " for values from ('2026-01-01') to ('2027-01-01')",
        "drop table older",
    ]
    for statement in harmful:
        landscape.on_primary(statement)
        assert differing(landscape) == {PATTERNS}, statement
        assert any("micro_patterns" in line for line in landscape.deploy())
        sync_to(landscape, read_contract())
        assert landscape.differences() == [], statement
        assert differing(landscape) == set()
    assert landscape.deploy() == []
    # A deploy looks by itself.
    landscape.on_primary("alter table micro_patterns detach partition apart")
    landscape.deploy()
    sync_to(landscape, read_contract())
    assert landscape.differences() == []
