"""The marts of what the database costs, on samples of two real servers and on planted ones."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from random import Random
from typing import Any

import psycopg
import pytest
from costed import FIRST, FLUSH, MARTS, START, plant_samples, rows, take
from landscapes import Landscape
from scipy import stats


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
