"""Findings on planted rows of samples and marts, and in which order they are told."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from advised import take
from landscapes import Landscape
from psycopg import sql

from runner.advice import advice
from runner.advice.advice import advise
from runner.observation.sample import observe
from runner.servers.database import Connection, Database


@contextmanager
def planted_rows(landscape: Landscape, *statements: str) -> Iterator[Connection]:
    """A session in which the newest sample, and the marts, are others; all of it is taken back."""
    with landscape.replica.connect() as connection:
        for statement in statements:
            connection.execute(statement.encode())
        yield connection
        connection.rollback()


def in_place_of(mart: str, **row: Any) -> str:
    """A statement that puts a table with a row in the place of a mart."""
    names, values = ", ".join(row), ", ".join(sql.Literal(v).as_string() for v in row.values())
    return (
        f"alter view operations.{mart} rename to {mart}_before;"
        f"create table operations.{mart} as select * from operations.{mart}_before with no data;"
        f"insert into operations.{mart} ({names}) values ({values})"
    )


NEWEST = "sample_id = (select max(id) from signal_marts.samples)"
COSTS = in_place_of(
    "query_costs",
    side="primary",
    role_group="trading",
    query_id=11,
    statement='select * from "Fills" where price > $1',
    calls=8000,
    total_seconds=80,
    mean_milliseconds=10,
    first_at="2026-01-01Z",
    last_at="2026-01-09Z",
)
PLANTED = {
    "wraparound": f"update signal_marts.observed_servers set transaction_age = 1500000000"
    f" where {NEWEST} and side = 'primary'",
    "sequence_limit": f"update signal_marts.observed_sequences set last_value = 0.8 * max_value"
    f" where {NEWEST} and side = 'primary' and sequence_name = 'trading_orders_id_seq'",
    "slot_keeps_log": f"update signal_marts.observed_slots set retained_bytes = 5000000000,"
    f" safe_bytes = 5000000000 where {NEWEST} and slot_name in ("
    "select slot_name from signal_marts.observed_subscriptions)",
    "xmin_held": "insert into signal_marts.observed_xmin_holders"
    " select id, 'primary', 'session', '4711', 'analyst', 'psql', 12, taken_at - interval '1 hour'"
    " from signal_marts.samples order by id desc limit 1",
    "storage_limit": in_place_of(
        "storage_forecast",
        side="primary",
        kind="database",
        schema_name="",
        table_name="",
        bytes=9_000,
        days=9,
        bytes_per_day=50,
        limit_bytes=10_000,
        days_until_limit=20,
        days_until_limit_lower=15,
        first_at="2026-01-01Z",
        last_at="2026-01-09Z",
    ),
    "slower_while_building": in_place_of(
        "trading_impact",
        measure="statement",
        subject="11",
        statement="update balances set amount = $1",
        build_windows=20,
        quiet_windows=20,
        build_calls=1000,
        quiet_calls=3000,
        build_mean=14,
        quiet_mean=10,
        difference=4,
        difference_lower=3,
        difference_upper=5,
        is_slower=True,
        first_at="2026-01-01Z",
        last_at="2026-01-09Z",
    ),
    "sequential_scans": in_place_of(
        "table_activity",
        side="primary",
        schema_name="public",
        table_name="Fills",
        observed_hours=12,
        seq_scans=100,
        seq_rows_read=100_000_000,
    )
    + ";insert into signal_marts.observed_tables"
    " (sample_id, side, table_id, schema_name, table_name, live_rows)"
    " select max(id), 'primary', 1, 'public', 'Fills', 1000000 from signal_marts.samples",
}


def test_planted_faults_are_found_and_ranked(observed: Landscape) -> None:
    """What can stop trading first, the most used limit before others; then by milliseconds."""
    take(observed)
    with planted_rows(observed, COSTS, *PLANTED.values()) as connection:
        told = advise(connection)
    assert [each.kind for each in told.findings] == [
        *("storage_limit", "sequence_limit", "wraparound", "slot_keeps_log"),
        *("sequential_scans", "slower_while_building", "xmin_held"),
    ]
    of = {each.kind: each for each in told.findings}
    assert [each.rank for each in told.findings] == list(range(1, 8))
    assert of["wraparound"].limit_share == pytest.approx(1.5e9 / 2**31)
    assert of["slot_keeps_log"].limit_share == 0.5
    assert of["slot_keeps_log"].evidence["is_ours"] is True
    assert of["storage_limit"].gain == ("writes go on: 20 days are left, by a straight line")
    # 200 scans a day of a million rows, 0.0001 ms each.
    assert of["sequential_scans"].milliseconds_per_day == pytest.approx(20_000)
    # 1,000 calls a day, a quarter of them beside a build.
    assert of["slower_while_building"].milliseconds_per_day == pytest.approx(1_000)
    assert " where pid = 4711 and xact_start <= '" in (of["xmin_held"].statement or "")
    assert of["xmin_held"].milliseconds_per_day is None
    assert {each.migration for each in told.findings} == {None}


def test_sparing_samples_lose_no_finding(observed: Landscape) -> None:
    """Each finding is of the newest sample that has its part; a part that none has is told."""
    take(observed)
    dead = (
        "update signal_marts.observed_tables set dead_rows = 1000000, last_vacuum_at = null,"
        f" last_autovacuum_at = null where {NEWEST} and side = 'primary'"
        " and table_name = 'trading_orders'"
    )
    with planted_rows(observed, COSTS, *PLANTED.values(), dead) as connection:
        before = advise(connection)
        assert {each.kind for each in before.findings} == {*PLANTED, "dead_rows"}
        for _ in range(3):
            taken = observe(
                Database("primary", observed.primary.url),
                Database("replica", observed.replica.url),
                keep_days=14,
                is_sparing=True,
            )
            assert not taken.is_whole
            # Every sample has this part.
            connection.execute(PLANTED["wraparound"].encode())
            after = advise(connection)
            assert [
                (each.rank, each.where, each.statement, each.limit_share) for each in after.findings
            ] == [
                (each.rank, each.where, each.statement, each.limit_share)
                for each in before.findings
            ]
            assert after.not_seen == before.not_seen
        connection.execute(
            "delete from signal_marts.sample_parts where side = 'primary' and part = 'slots'"
        )
        told = advise(connection)
    assert "slot_keeps_log" not in {each.kind for each in told.findings}
    assert {(each.side, each.what, each.mend) for each in told.not_seen} - {
        (each.side, each.what, each.mend) for each in before.not_seen
    } == {("primary", "slots", "signal-marts observe")}


def test_only_a_slot_that_nobody_needs_is_dropped(observed: Landscape) -> None:
    take(observed)
    idle = "update signal_marts.observed_slots set is_active = false"
    with planted_rows(observed, PLANTED["slot_keeps_log"], idle) as connection:

        def statements() -> set[str | None]:
            return {each.statement for each in advise(connection).findings}

        assert statements() == {None}
        connection.execute("delete from signal_marts.observed_subscriptions")
        assert statements() == {None}
        connection.execute("update signal_marts.observed_slots set slot_name = 'left_behind'")
        assert statements() == {"select pg_drop_replication_slot('left_behind');"}
        connection.execute(
            "update signal_marts.sample_parts set is_seen = false, why_not = 'no right'"
            " where side = 'replica' and part = 'subscriptions'"
        )
        assert statements() == {None}


@pytest.mark.parametrize("kind", PLANTED)
def test_a_planted_fault_alone_is_the_only_finding(observed: Landscape, kind: str) -> None:
    take(observed)
    with planted_rows(observed, COSTS, PLANTED[kind]) as connection:
        assert [each.kind for each in advise(connection).findings] == [kind]


def test_a_dozen_are_told_and_the_primarys_come_first(observed: Landscape) -> None:
    take(observed)
    full = f"update signal_marts.observed_sequences set last_value = 0.9 * max_value where {NEWEST}"
    with planted_rows(observed, full) as connection:
        ((primary, replica),) = connection.execute(
            "select count(*) filter (where side = 'primary'),"
            " count(*) filter (where side = 'replica')"
            f" from signal_marts.observed_sequences where {NEWEST}"
        ).fetchall()
        told = advise(connection)
    assert replica
    assert len(told.findings) + told.more == primary + replica
    assert len(told.findings) == min(advice.AT_MOST, primary + replica)
    sides = [each.side for each in told.findings]
    assert sides == sorted(sides)


def test_without_marts_it_says_what_to_run(observed: Landscape) -> None:
    take(observed)
    with (
        planted_rows(observed, "drop schema operations cascade") as connection,
        pytest.raises(advice.NoSampleError, match="build"),
    ):
        advise(connection)
