"""The marts of what the database costs, on samples of two real servers and on planted ones."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from random import Random
from typing import Any

import psycopg
import pytest
from landscapes import Landscape, drop_landscape, make_landscape
from psycopg.rows import dict_row
from scipy import stats

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


def test_without_a_sample_the_marts_are_empty(costs: Landscape) -> None:
    for mart in MARTS:
        assert rows(costs, f"select * from operations.{mart}") == []


def test_readers_read_them(costs: Landscape) -> None:
    take(costs)
    with costs.replica.connect() as connection:
        connection.execute("set role bi_reader")
        for mart in MARTS:
            connection.execute(f"select * from operations.{mart}")


# --- indexes ------------------------------------------------------------------------------------

INDEXES = """
create table planted (
    id bigint primary key, a bigint, b bigint, c bigint, t text,
    order_id bigint references trading_orders (id), plan_id integer references trade_plans (id),
    pattern_id integer references micro_patterns (id)
);
insert into planted (id, a, b, c, t) select n, n, n, n % 2, n::text from generate_series(1, 9) as n;
create index planted_a on planted (a);
create index planted_a_again on planted (a);
create index planted_a_hash on planted using hash (a);
create index planted_ab on planted (a, b);
create index planted_b on planted (b);
create index planted_b_and_c on planted (b) include (c);
create index planted_b_down on planted (b desc);
create unique index planted_unique on planted (id, t);
create unique index planted_key_again on planted (id);
alter table planted add constraint planted_deferred unique (id, c) deferrable;
create unique index planted_deferred_now on planted (id, c);
create unique index planted_code on planted (id, b);
create unique index planted_code_again on planted (id, b);
create unique index planted_code_no_null on planted (id, b) nulls not distinct;
create index planted_some on planted (c) where c > 0;
create index planted_others on planted (c) where c > 1;
create index planted_lower on planted (lower(t));
create index planted_lower_again on planted (lower(t));
create index planted_plan on planted (plan_id) where plan_id is not null;
create index planted_pattern on planted (b, pattern_id);
"""
VERDICTS = {
    "planted_pkey": ("needed", None),
    "planted_a": ("overlapping", "planted_ab"),
    "planted_a_again": ("duplicate", "planted_a"),
    "planted_a_hash": ("unused", None),
    "planted_ab": ("used", None),
    "planted_b": ("overlapping", "planted_b_and_c"),
    "planted_b_and_c": ("unused", None),
    "planted_b_down": ("unused", None),
    "planted_unique": ("needed", None),
    "planted_key_again": ("duplicate", "planted_pkey"),
    "planted_deferred": ("needed", None),
    "planted_deferred_now": ("needed", None),
    "planted_code": ("needed", None),
    "planted_code_again": ("duplicate", "planted_code"),
    "planted_code_no_null": ("needed", None),
    "planted_some": ("unused", None),
    "planted_others": ("unused", None),
    "planted_lower": ("unused", None),
    "planted_lower_again": ("duplicate", "planted_lower"),
    "planted_plan": ("unused", None),
    "planted_pattern": ("unused", None),
    "planted_wrong": ("invalid", None),
    "planted_order_id_fkey": ("no_index", None),
    "planted_pattern_id_fkey": ("no_index", None),
}


@pytest.fixture
def planted(costs: Landscape) -> Iterator[Landscape]:
    costs.on_primary(INDEXES)
    with (
        costs.primary.connect(autocommit=True) as connection,
        pytest.raises(psycopg.errors.UniqueViolation),
    ):
        connection.execute("create unique index concurrently planted_wrong on planted (c)")
    costs.on_primary(
        "set enable_seqscan = off; set enable_sort = off;"
        f"select a, b from planted order by a, b{FLUSH}"
    )
    yield costs
    costs.on_primary("drop table planted")


def verdicts(landscape: Landscape) -> dict[str, tuple[str | None, str | None]]:
    found = rows(landscape, "select * from operations.index_usage where table_name = 'planted'")
    return {
        row["object_name"]: (row["verdict"], row["duplicate_of"] or row["covered_by"])
        for row in found
    }


def age_statistics(landscape: Landscape, days: int) -> None:
    landscape.on_replica(
        f"update signal_marts.observed_servers"
        f" set statistics_since = statistics_since - {days} * interval '1 day';"
        f"update signal_marts.index_definitions"
        f" set first_seen_at = first_seen_at - {days} * interval '1 day'"
    )


def test_verdicts_on_indexes(planted: Landscape) -> None:
    take(planted)
    young = {
        name: (None if verdict == "unused" else verdict, other)
        for name, (verdict, other) in VERDICTS.items()
    }
    assert verdicts(planted) == young
    age_statistics(planted, 29)
    assert verdicts(planted) == young
    age_statistics(planted, 2)
    assert verdicts(planted) == VERDICTS
    (key,) = rows(
        planted, "select * from operations.index_usage where object_name = 'planted_b_and_c'"
    )
    assert (key["key_columns"], key["included_columns"], key["is_needed"]) == ("b", "c", False)
    assert key["definition"].startswith("CREATE INDEX planted_b_and_c ON public.planted")
    assert key["bytes"] > 0

    # A physical standby may use it, and so may a reader whose state is hidden; a backup does not.
    def read_by(state: str, replay_bytes: str) -> dict[str, Any]:
        planted.on_replica(
            "truncate signal_marts.observed_standbys; insert into signal_marts.observed_standbys"
            " (sample_id, side, kind, state, replay_bytes)"
            f" select max(id), 'primary', 'physical', {state}, {replay_bytes}"
            " from signal_marts.samples"
        )
        (found,) = rows(
            planted, "select * from operations.index_usage where object_name = 'planted_a_hash'"
        )
        return found

    assert read_by("'backup'", "null")["verdict"] == "unused"
    assert read_by("'streaming'", "null")["verdict"] == "unused"
    assert read_by("null", "null")["verdict"] is None
    unknown = read_by("'streaming'", "0")
    assert (unknown["is_unused"], unknown["verdict"]) == (None, None)
    assert unknown["unknown_because"] == "a standby may use it, and does not tell"


def test_a_partitioned_index_serves_a_foreign_key(costs: Landscape) -> None:
    costs.on_primary(
        "create table parted (day date, order_id bigint references trading_orders (id),"
        " plan_id integer references trade_plans (id),"
        " pattern_id integer references micro_patterns (id)) partition by range (day);"
        "create table planted partition of parted for values from (minvalue) to (maxvalue);"
        "create index on parted (order_id);"
        "create index on parted (pattern_id) where day > '2026-01-01'"
    )
    try:
        take(costs)
    finally:
        costs.on_primary("drop table parted")
    found = rows(
        costs,
        "select object_name, table_name, verdict from operations.index_usage"
        " where table_name in ('planted', 'parted')",
    )
    assert {tuple(row.values()) for row in found} == {
        ("planted_order_id_idx", "planted", "needed"),
        ("planted_pattern_id_idx", "planted", "needed"),
        ("parted_plan_id_fkey", "parted", "no_index"),
        ("parted_pattern_id_fkey", "parted", "no_index"),
    }


def test_a_reset_makes_statistics_young(planted: Landscape) -> None:
    take(planted)
    age_statistics(planted, 31)
    assert verdicts(planted)["planted_a_hash"] == ("unused", None)
    planted.on_primary("select pg_stat_reset()")
    take(planted)
    age_statistics(planted, 0)
    assert verdicts(planted)["planted_a_hash"] == (None, None)
    assert verdicts(planted)["planted_a_again"] == ("duplicate", "planted_a")


def test_what_a_lock_hides_is_unknown(planted: Landscape) -> None:
    """A predicate that was never seen can make two indexes equal, or not."""
    with planted.primary.connect() as owner:
        owner.execute("lock table planted in access exclusive mode")
        take(planted)
    found = verdicts(planted)
    assert found["planted_a_again"] == ("duplicate", "planted_a")
    assert found["planted_lower_again"] == (None, None)
    assert found["planted_plan"] == (None, None)
    # It may serve the key.
    assert "planted_plan_id_fkey" not in found
    sizes = rows(planted, "select bytes from operations.index_usage where table_name = 'planted'")
    assert any(row["bytes"] for row in sizes), "indexes themselves were not locked"


# --- tables -------------------------------------------------------------------------------------


def test_growth_is_unknown_after_a_reset(costs: Landscape) -> None:
    query = (
        "select * from operations.table_activity"
        " where side = 'primary' and table_name = 'trading_stats'"
    )
    changes = (
        "update trading_stats set net_profit = net_profit + 1 where id <= 3;"
        "insert into trading_stats (date, net_profit, total_trades, winning_trades, losing_trades)"
        " select date '2001-01-01' + n, 0, 0, 0, 0 from generate_series({0}, {0} + 4) as n"
    )

    def counted() -> tuple[Any, ...]:
        (found,) = rows(costs, query)
        return found["samples"], found["rows_inserted"], found["rows_updated"]

    take(costs)
    assert counted() == (1, None, None)
    costs.on_primary(changes.format(0) + FLUSH)
    take(costs)
    assert counted() == (2, 5, 3)
    costs.on_primary("select pg_stat_reset()")
    costs.on_primary(changes.format(10) + FLUSH)
    take(costs)
    assert counted() == (3, 5, 3)
    costs.on_primary(changes.format(20) + FLUSH)
    take(costs)
    assert counted() == (4, 10, 6)
    # A counter that went down with all else the same, as after a restore of statistics.
    costs.on_replica(
        "update signal_marts.observed_tables set rows_inserted = rows_inserted - 10000"
        " where sample_id = (select max(id) from signal_marts.samples)"
    )
    assert counted() == (4, 5, 3)
    # And another server in its place.
    costs.on_replica("update signal_marts.observed_servers set system_identifier = sample_id")
    assert counted() == (4, None, None)
    (found,) = rows(costs, query)
    assert found["table_bytes"] > 0
    assert found["index_bytes"] > 0


# --- planted samples ----------------------------------------------------------------------------


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


MINUTE = timedelta(minutes=1)


def is_build(number: int) -> bool | None:
    """Whether a build fills a planted stretch; None if it only touches it."""
    return None if number % 10 == 5 else number % 2 == 0


def test_builds_that_slow_down_trading_are_found(costs: Landscape, tmp_path: Path) -> None:
    """Welch's interval as scipy's, of a statement that is slower and of one that is not."""
    random = Random(5)
    count = 60
    moments = [START + n * MINUTE for n in range(count)]
    plant_samples(costs, moments)
    lengths = {True: 40, None: 10}
    plant_builds(
        costs,
        [
            (
                moments[n] - MINUTE + 5 * MINUTE / 60,
                moments[n] - MINUTE + (5 + length) * MINUTE / 60,
            )
            for n in range(1, count)
            if (length := lengths.get(is_build(n)))
        ],
    )
    means: dict[int, list[float]] = {}
    counts: dict[int, list[tuple[int, float]]] = {}
    for query_id, extra in ((11, 0.004), (12, 0.0)):
        means[query_id] = [
            0.010 + random.gauss(0, 0.002) + extra * (is_build(n) is True) for n in range(count)
        ]
        calls = [random.randint(5, 20) for _ in range(count)]
        counts[query_id] = [(c, c * m) for c, m in zip(calls, means[query_id], strict=True)]
        plant_statements(costs, "platform", query_id, counts[query_id])
    plant_statements(costs, "robot", 13, counts[11])
    found = {
        (row["measure"], row["subject"]): row
        for row in rows(costs, "select * from operations.trading_impact")
    }
    assert found.keys() == {
        *(("statement", "11"), ("statement", "12")),
        *(("all_statements", "all"), ("lock_waits", "all")),
    }
    for query_id in (11, 12):
        row = found["statement", str(query_id)]
        groups = [
            [1000 * means[query_id][n] for n in range(1, count) if is_build(n) is state]
            for state in (True, False)
        ]
        oracle = stats.ttest_ind(*groups, equal_var=False)
        interval = oracle.confidence_interval(0.95)
        assert (row["build_windows"], row["quiet_windows"]) == tuple(map(len, groups))
        assert row["difference"] == pytest.approx(
            sum(groups[0]) / len(groups[0]) - sum(groups[1]) / len(groups[1])
        )
        assert row["degrees_of_freedom"] == pytest.approx(oracle.df)
        assert row["difference_lower"] == pytest.approx(interval.low, rel=1e-6)
        assert row["difference_upper"] == pytest.approx(interval.high, rel=1e-6)
    assert found["statement", "11"]["is_slower"] is True
    assert found["statement", "12"]["is_slower"] is False
    assert (
        found["statement", "12"]["difference_lower"]
        < 0
        < found["statement", "12"]["difference_upper"]
    )
    assert found["all_statements", "all"]["is_slower"] is True
    # No sample was taken while a build was at work.
    waits = found["lock_waits", "all"]
    assert (waits["build_windows"], waits["quiet_mean"], waits["difference"]) == (0, 0, None)
    costs_of = {
        (row["role_group"], row["query_id"]): row
        for row in rows(costs, "select * from operations.query_costs")
    }
    assert costs_of.keys() == {("trading", 11), ("trading", 12), ("ai", 13)}
    assert costs_of["trading", 12]["calls"] == sum(calls for calls, _ in counts[12][1:])
    assert costs_of["trading", 12]["mean_milliseconds"] == pytest.approx(
        1000 * sum(seconds for _, seconds in counts[12][1:]) / costs_of["trading", 12]["calls"]
    )
    # dbt's tests hold on planted samples and a real one.
    take(costs)
    build(costs, tmp_path)


def test_a_statement_that_came_again_has_not_grown(costs: Landscape) -> None:
    """Others put it out of pg_stat_statements, and it has since been run more often than before."""
    plant_samples(costs, [START + n * MINUTE for n in range(4)])
    plant_statements(costs, "platform", 11, [(10, 1)] * 4)
    plant_statements(costs, "platform", 12, [(10, 1)] * 4)

    def calls() -> dict[int, int | None]:
        found = rows(costs, "select query_id, calls from operations.query_costs")
        return {row["query_id"]: row["calls"] for row in found}

    assert calls() == {11: 30, 12: 30}
    statements = "signal_marts.observed_statements"
    costs.on_replica(f"delete from {statements} where query_id = 12 and sample_id = {FIRST + 1}")
    assert calls() == {11: 30, 12: 10}
    # Since PostgreSQL 17 it says that it was only passed over, or that it is another one.
    costs.on_replica(f"update {statements} set is_own_since = true")
    assert calls() == {11: 30, 12: 30}
    costs.on_replica(
        f"update {statements} set counted_since = '{START + MINUTE}'"
        f" where query_id = 12 and sample_id > {FIRST}"
    )
    assert calls() == {11: 30, 12: 10}


def test_stretches_in_a_row_are_one_measurement(costs: Landscape) -> None:
    """Where statements tell since when they count; one that is left out stands between two."""
    states = "bbqqq.qqbbb.bqb"  # stretches with a build, quiet, or with too little of one
    moments = [START + n * MINUTE for n in range(len(states) + 1)]
    plant_samples(costs, moments)
    lengths = {"b": 40, ".": 10}
    plant_builds(
        costs,
        [
            (moments[n], moments[n] + lengths[state] * MINUTE / 60)
            for n, state in enumerate(states)
            if state in lengths
        ],
    )
    counts = [(5 + n % 3, (5 + n % 3) * (0.01 + 0.001 * (n % 4))) for n in range(len(moments))]
    plant_statements(costs, "platform", 11, counts)
    costs.on_replica("update signal_marts.observed_statements set is_own_since = true")
    (row,) = rows(costs, "select * from operations.trading_impact where measure = 'statement'")
    means: dict[str, list[float]] = {"b": [], "q": []}
    for run in re.finditer(r"b+|q+", states):
        grown = counts[run.start() + 1 : run.end() + 1]
        means[run.group()[0]].append(1000 * sum(s for _, s in grown) / sum(c for c, _ in grown))
    assert (row["build_windows"], row["quiet_windows"]) == (4, 3)
    assert row["build_mean"] == pytest.approx(sum(means["b"]) / 4)
    assert row["quiet_mean"] == pytest.approx(sum(means["q"]) / 3)


def test_with_few_stretches_there_is_no_interval(costs: Landscape) -> None:
    moments = [START + n * MINUTE for n in range(19)]
    plant_samples(costs, moments)
    plant_builds(costs, [(moments[n] - MINUTE, moments[n]) for n in range(2, 19, 2)])
    plant_statements(costs, "platform", 11, [(10, 0.1 + 0.01 * (n % 5)) for n in range(19)])
    (row,) = rows(costs, "select * from operations.trading_impact where measure = 'statement'")
    assert row["build_windows"] == 9
    assert row["difference"] is not None
    assert (row["difference_lower"], row["is_slower"]) == (None, None)


def test_builds_in_no_book_are_not_quiet(costs: Landscape) -> None:
    """They were killed, or have not ended."""
    plant_samples(costs, [START + n * MINUTE for n in range(6)])
    plant_builds(costs, [(START + 3.2 * MINUTE, START + 4 * MINUTE)])
    plant_statements(costs, "platform", 11, [(10, 1)] * 6)

    def windows() -> dict[str, tuple[int, int]]:
        return {
            row["measure"]: (row["build_windows"], row["quiet_windows"])
            for row in rows(costs, "select * from operations.trading_impact")
        }

    def plant_session(application: str, number: int) -> None:
        costs.on_replica(
            "insert into signal_marts.observed_sessions"
            " (sample_id, side, application_name, sessions)"
            f" values ({FIRST + number}, 'replica', '{application}', 1)"
        )

    for number in range(6):
        plant_session("signal-marts watch", number)
    plant_session("dbt", 4)
    assert windows() == {"statement": (1, 3), "all_statements": (1, 3), "lock_waits": (1, 5)}
    plant_session("dbt", 1)
    assert windows() == {"statement": (1, 1), "all_statements": (1, 1), "lock_waits": (1, 4)}


def test_sessions_that_really_wait_are_found(costs: Landscape) -> None:
    spans = []
    with costs.primary.connect() as keeper:
        for number in range(20):
            begun = datetime.now(UTC)
            waiting = [
                costs.primary.connect() for _ in range((number % 4 + 2) // 2 if number % 2 else 0)
            ]
            keeper.execute("select pg_advisory_xact_lock(7)")
            sessions = [each.__enter__() for each in waiting]
            for session in sessions:
                session.pgconn.send_query(b"select pg_advisory_xact_lock(7)")
            wanted = (len(sessions),)
            while (
                keeper.execute(
                    "select count(*) from pg_locks where locktype = 'advisory' and not granted"
                ).fetchone()
                != wanted
            ):
                pass
            take(costs)
            keeper.rollback()
            for session in sessions:
                session.close()
            if number % 2:
                spans.append((begun, datetime.now(UTC)))
    plant_builds(costs, spans)
    (row,) = rows(costs, "select * from operations.trading_impact where measure = 'lock_waits'")
    assert (row["build_windows"], row["quiet_windows"]) == (10, 10)
    assert (row["build_mean"], row["quiet_mean"]) == (1.5, 0)
    assert row["is_slower"] is True


# --- storage ------------------------------------------------------------------------------------


def test_storage_grows_as_a_line_says(costs: Landscape) -> None:
    """The slope and its interval as scipy's, for tables with days enough."""
    random = Random(7)
    moments = [START + timedelta(days=n, hours=random.randint(0, 23)) for n in range(12)]
    plant_samples(costs, moments)
    sizes = {
        1: [50_000 + 1_000 * n + random.randint(-300, 300) for n in range(12)],
        2: [7_000] * 12,
    }
    with costs.replica.connect() as connection:
        for table_id, bytes_of in sizes.items():
            for number, size in enumerate(bytes_of):
                # Of the second table, the last six days are known.
                if table_id == 2 and number < 6:
                    continue
                connection.execute(
                    "insert into signal_marts.observed_tables"
                    " (sample_id, side, table_id, schema_name, table_name, live_rows, dead_rows)"
                    " values (%s, 'primary', %s, 'public', %s, 0, 0)",
                    (FIRST + number, table_id, f"table_{table_id}"),
                )
                connection.execute(
                    "insert into signal_marts.observed_sizes values (%s, 'primary', %s, %s)",
                    (FIRST + number, table_id, size),
                )
        connection.execute(
            "insert into signal_marts.sample_parts (sample_id, side, part, is_seen, row_count)"
            " select id, 'primary', 'indexes', true, 0 from signal_marts.samples"
        )
    found = {
        row["table_name"]: row
        for row in rows(costs, "select * from operations.storage_forecast where side = 'primary'")
    }
    assert found.keys() == {"", "table_1", "table_2"}
    days = [(moment - START) / timedelta(days=1) for moment in moments]
    line = stats.linregress(days, sizes[1])
    half = stats.t.ppf(0.975, len(days) - 2) * line.stderr
    row = found["table_1"]
    assert (row["days"], row["bytes"]) == (12, sizes[1][-1])
    assert row["bytes_per_day"] == pytest.approx(line.slope, rel=1e-9)
    assert row["bytes_per_day_lower"] == pytest.approx(line.slope - half, rel=1e-5)
    assert row["bytes_per_day_upper"] == pytest.approx(line.slope + half, rel=1e-5)
    assert row["days_until_limit"] is None
    assert (found["table_2"]["days"], found["table_2"]["bytes_per_day"]) == (6, None)
    assert found[""]["bytes_per_day"] == 0
