"""Marts of what the database costs, and samples that are planted for them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from landscapes import Landscape, drop_landscape, make_landscape
from psycopg.rows import dict_row

from runner.demo.embedded import EmbeddedPair
from runner.observation.sample import observe
from runner.servers.database import Database

MARTS = (
    *("index_usage", "table_activity", "query_costs", "trading_impact", "storage_forecast"),
    "replication_history",
)
START = datetime(2026, 1, 5, tzinfo=UTC)
FIRST = -100
"""Number of the first planted sample: those that are taken have others."""
FLUSH = "; select pg_stat_force_next_flush()"


@pytest.fixture(scope="module")
def views(pair: EmbeddedPair, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Landscape]:
    """A deployed platform, and the views of its costs, made before any sample was taken."""
    made = make_landscape(pair, pair.urls().replica)
    made.deploy()
    build(made, tmp_path_factory.mktemp("target"))
    yield made
    drop_landscape(made)


def build(landscape: Landscape, target: Path) -> None:
    """The views, with their data tests."""
    built = landscape.build(target, *MARTS, tests=True)
    assert {node.name: node.message for node in built.failures} == {}


@pytest.fixture
def costs(views: Landscape) -> Landscape:
    """The same without samples and builds."""
    views.on_replica(
        "truncate signal_marts.samples cascade; truncate signal_marts.index_definitions;"
        "truncate signal_marts.statement_texts; truncate changes.builds"
    )
    return views


def take(landscape: Landscape) -> int:
    taken = observe(
        Database("primary", landscape.primary.url),
        Database("replica", landscape.replica.url),
        keep_days=14,
    )
    return taken.id


def rows(landscape: Landscape, query: str) -> list[dict[str, Any]]:
    with landscape.replica.connect() as connection:
        return connection.cursor(row_factory=dict_row).execute(query).fetchall()


def plant_samples(landscape: Landscape, moments: Sequence[datetime]) -> None:
    """Samples of an unchanged server at these moments, numbered from FIRST."""
    with landscape.replica.connect() as connection:
        connection.cursor().executemany(
            "insert into signal_marts.samples overriding system value values (%s, %s, 0)",
            list(enumerate(moments, start=FIRST)),
        )
        connection.execute(
            "insert into signal_marts.observed_servers (sample_id, side, read_at, version_number,"
            " system_identifier, database_id, started_at, login, has_all_statistics,"
            " statistics_since, database_bytes)"
            " select id, side, taken_at, 180000, 1, 1, %(start)s, 'watcher', true, %(start)s,"
            " 1000000 from signal_marts.samples, unnest(array['primary', 'replica']) as side",
            {"start": START},
        )
        connection.execute(
            "insert into signal_marts.sample_parts (sample_id, side, part, is_seen, row_count)"
            " select id, 'primary', part, true, 3"
            " from signal_marts.samples, unnest(array['statements', 'lock_waits']) as part"
        )
        connection.execute(
            "insert into signal_marts.observed_roles"
            " select id, 'primary', name, false, false, true, groups::text[]"
            " from signal_marts.samples, (values ('platform', '{}'), ('robot', '{ai_writer}'),"
            " ('signal_marts_replicator', '{replicator}')) as roles (name, groups)"
        )


def plant_builds(landscape: Landscape, spans: Sequence[tuple[datetime, datetime]]) -> None:
    with landscape.replica.connect() as connection:
        connection.cursor().executemany(
            "insert into changes.builds values (%s, 'build', %s, %s, true, 1, 0)",
            [(str(n), *span) for n, span in enumerate(spans)],
        )


def plant_statements(
    landscape: Landscape, role: str, query_id: int, counts: Sequence[tuple[int, float]]
) -> None:
    """Calls and seconds of a statement before each sample, of which the sample shows the sums."""
    calls, seconds = 0, 0.0
    with landscape.replica.connect() as connection:
        for number, (more_calls, more_seconds) in enumerate(counts, start=FIRST):
            calls, seconds = calls + more_calls, seconds + more_seconds
            connection.execute(
                "insert into signal_marts.observed_statements"
                " values (%s, 'primary', %s, %s, true, %s, %s, %s, 0, 0, 0, 0, 0, 0, %s)",
                (number, role, query_id, calls, seconds, calls, START),
            )
