"""Findings on two real servers: planted faults are found, and what is proposed mends them."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psycopg
import pytest
from command_line import BIN, marts
from landscapes import Landscape, drop_landscape, make_landscape
from psycopg import sql
from psycopg.conninfo import make_conninfo

from runner.advice import advice
from runner.advice.advice import Advice, Finding, advise
from runner.demo.embedded import EmbeddedPair
from runner.deploy import migrations
from runner.deploy.migration_rules import check_folder
from runner.observation.sample import observe
from runner.servers.database import Connection, Database
from runner.servers.deploy_lock import one_at_a_time
from runner.servers.role_logins import as_role
from runner.settings import PROJECT

MARTS = ("index_usage", "table_activity", "query_costs", "trading_impact", "storage_forecast")


@pytest.fixture(scope="module")
def built(pair: EmbeddedPair, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Landscape]:
    """A deployed platform with the marts of its costs."""
    made = make_landscape(pair, pair.urls().replica)
    made.deploy()
    assert not made.build(tmp_path_factory.mktemp("target"), *MARTS).failures
    yield made
    drop_landscape(made)


@pytest.fixture
def observed(built: Landscape) -> Landscape:
    """The same without a sample."""
    built.on_replica(
        "truncate signal_marts.samples cascade; truncate signal_marts.index_definitions"
    )
    return built


def take(landscape: Landscape, *, login: Mapping[str, str] = {}, days: int = 0) -> None:
    """A sample, of statistics that count since so many days more."""
    taken = observe(
        Database("primary", make_conninfo(landscape.primary.url, **login)),
        Database("replica", landscape.replica.url),
        keep_days=14,
    )
    landscape.on_replica(
        "update signal_marts.observed_servers"
        f" set statistics_since = statistics_since - {days} * interval '1 day'"
        f" where sample_id = {taken.id};"
        " update signal_marts.index_definitions"
        f" set first_seen_at = first_seen_at - {days} * interval '1 day'"
    )


def asked(landscape: Landscape, folder: Path = PROJECT / "migrations") -> Advice:
    replica = as_role(Database("replica", landscape.replica.url), "transformer")
    with replica.connect(autocommit=True, options=advice.OPTIONS) as connection:
        return advise(connection, folder)


def found(told: Advice) -> dict[str, Finding]:
    """Findings by place; two of a place would be one too many."""
    assert len({each.where for each in told.findings}) == len(told.findings)
    return {each.where: each for each in told.findings}


def kinds(told: Advice) -> dict[str, str]:
    return {where: each.kind for where, each in found(told).items()}


def test_a_clean_pair_has_no_finding(observed: Landscape) -> None:
    take(observed, days=31)
    told = asked(observed)
    # Nobody has traded: indexes of the platform and of ours that nothing upholds are idle.
    assert set(kinds(told).values()) <= {"unused_index"}
    take(observed)
    told = asked(observed)
    assert kinds(told) == {}
    assert {(each.side, each.what) for each in told.not_seen} >= {
        ("primary", "statements"),
        ("primary", "when the storage is full"),
        ("primary", "whether builds slow down trading"),
    }
    (young,) = [each for each in told.not_seen if each.what.startswith("use of ")]
    assert young.why == "the statistics are too young"


# --- ours: migrations ---------------------------------------------------------------------------

ODD = '"Odd ""name""; -- of it"'
SIGNALS = "public.ai_trading_signals"
OURS = {
    f'{SIGNALS}.Odd "name"; -- of it': "duplicate_index",
    f"{SIGNALS}.shorter": "overlapping_index",
    f"{SIGNALS}.broken": "invalid_index",
    "public.spectrum_analysis.idle": "unused_index",
    f"{SIGNALS}.ai_trading_signals_pattern_id_fkey": "foreign_key_without_index",
}


@pytest.fixture
def ours(observed: Landscape) -> Iterator[Landscape]:
    """Faults on the AI tables, and no other idle index."""
    observed.on_primary(
        f"create index {ODD} on ai_trading_signals (symbol, created_at desc);"
        "create index shorter on ai_trading_signals (symbol);"
        "create index broken on ai_trading_signals (confidence);"
        "update pg_index set indisvalid = false where indexrelid = 'broken'::regclass;"
        "create index idle on spectrum_analysis (anomaly_score);"
        "drop index idx_ai_signals_pattern"
    )
    yield observed
    observed.on_primary(
        f"drop index if exists {ODD}, shorter, broken, idle, idx_ai_trading_signals_pattern_id;"
        "create index if not exists idx_ai_signals_pattern on ai_trading_signals (pattern_id)"
    )


def planted(told: Advice) -> dict[str, Finding]:
    """Findings without the idle indexes of the platform, on which nobody has traded."""
    return {
        where: each
        for where, each in found(told).items()
        if each.kind != "unused_index" or where.endswith(".idle")
    }


def test_migrations_mend_what_is_ours(
    ours: Landscape, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(advice, "AT_MOST", 100)
    folder = tmp_path / "migrations"
    shutil.copytree(PROJECT / "migrations", folder)
    take(ours, days=31)
    before = planted(asked(ours))
    assert {where: each.kind for where, each in before.items()} == OURS
    assert {each.owner for each in before.values()} == {"ours"}
    proposed = [each.migration for each in asked(ours).findings if each.migration is not None]
    assert {each.name[5:] for each in proposed} >= {
        *("drop_odd_name_of_it", "drop_shorter", "drop_broken", "drop_idle"),
        "create_ai_trading_signals_pattern_id_fkey",
    }
    for each in proposed:
        (folder / f"{each.name}.sql").write_text(each.text)
        (folder / f"{each.name}.rollback.sql").write_text(each.rollback)
    assert check_folder(folder) == []
    files = [str(path) for each in proposed for path in folder.glob(f"{each.name}*")]
    checked = subprocess.run(
        [BIN / "squawk", "--config", PROJECT / ".squawk.toml", *files],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert checked.returncode == 0, checked.stdout

    primary = Database("primary", ours.primary.url)
    with one_at_a_time(primary) as session:
        names = migrations.apply(
            primary, session, lock_timeout=2, report=ours.reports.append, folder=folder
        )
    assert names == [each.name for each in proposed]
    take(ours, days=31)
    assert planted(asked(ours, folder)) == {}

    with one_at_a_time(primary) as session:
        migrations.roll_back(
            primary,
            session,
            names[::-1],
            lock_timeout=2,
            report=ours.reports.append,
            folder=folder,
        )
    take(ours, days=31)
    again = planted(asked(ours))
    # An invalid index is not brought back.
    assert {where: each.kind for where, each in again.items()} == {
        where: kind for where, kind in OURS.items() if kind != "invalid_index"
    }


# --- the platform's: statements -----------------------------------------------------------------

ODD_NAMES = ('Odd "name"', "a.b", "order", "It's 100%; --", "日本\\語")


@pytest.mark.parametrize("name", ODD_NAMES)
def test_statements_mend_what_is_the_platforms(observed: Landscape, name: str) -> None:
    """Whatever its names: tables, columns and indexes are quoted."""
    table, again, broken = (sql.Identifier(name + more) for more in ("", " again", " broken"))
    column = sql.Identifier(f"{name} id")
    with observed.primary.connect(autocommit=True) as connection:
        run = connection.execute
        run(
            sql.SQL(
                "create table {t} (a bigint primary key, b bigint, {c} bigint references {t});"
                "insert into {t} select n, 1 from generate_series(1, 9) as n;"
                "create index on {t} (b, a); create index {a} on {t} (b, a)"
            ).format(t=table, c=column, a=again)
        )
        try:
            with pytest.raises(psycopg.errors.UniqueViolation):
                run(sql.SQL("create unique index concurrently {} on {} (b)").format(broken, table))
            take(observed)
            told = found(asked(observed))
            places = {
                f"public.{name}.{name} again": "duplicate_index",
                f"public.{name}.{name} broken": "invalid_index",
                f"public.{name}.{name}_{name} id_fkey": "foreign_key_without_index",
            }
            assert {where: each.kind for where, each in told.items()} == places
            for each in told.values():
                assert (each.owner, each.migration) == ("the platform", None)
                assert each.statement is not None
                run(each.statement.encode())
            take(observed)
            assert asked(observed).findings == ()
            for each in told.values():
                assert each.undo is not None
                run(each.undo.encode())
            take(observed)
            assert kinds(asked(observed)) == {
                where: kind for where, kind in places.items() if kind != "invalid_index"
            }
        finally:
            run(sql.SQL("drop table {}").format(table))


def test_dead_rows_that_no_vacuum_removed(observed: Landscape) -> None:
    with observed.primary.connect(autocommit=True) as connection:
        connection.execute(
            "create table dying with (autovacuum_enabled = false)"
            " as select n from generate_series(1, 20000) as n"
        )
        try:
            connection.execute("delete from dying where n <= 15000")
            connection.execute("select pg_stat_force_next_flush()")
            take(observed)
            (one,) = asked(observed).findings
            assert (one.kind, one.where) == ("dead_rows", "public.dying")
            assert one.evidence["dead_rows"] == 15000
            assert one.statement == "vacuum (analyze) public.dying;"
            connection.execute(one.statement.encode())
            connection.execute("select pg_stat_force_next_flush()")
            take(observed)
            assert asked(observed).findings == ()
        finally:
            connection.execute("drop table dying")


def test_what_an_index_is_needed_for_is_never_dropped(observed: Landscape) -> None:
    """Constraints, a replica identity, and parts of an index; nor is an index called unused by
    statistics that were reset."""
    observed.on_primary(
        "create table kept (a bigint primary key, b bigint not null unique, c bigint not null);"
        "create unique index kept_identity on kept (c);"
        "alter table kept replica identity using index kept_identity;"
        "create table parts (a bigint) partition by range (a); create index on parts (a);"
        "create table part partition of parts for values from (0) to (9);"
        "create index kept_idle on kept (b, c)"
    )
    try:
        take(observed, days=31)
        told = [each.where for each in asked(observed).findings if "public.k" in each.where]
        assert told == ["public.kept.kept_idle"]
        assert not [each for each in asked(observed).findings if "public.part" in each.where]
        observed.on_primary("select pg_stat_reset()")
        take(observed)
        assert asked(observed).findings == ()
    finally:
        observed.on_primary("drop table kept, parts")


# --- planted rows -------------------------------------------------------------------------------


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
        quiet_windows=60,
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
    assert of["xmin_held"].statement == "select pg_terminate_backend(4711);"
    assert of["xmin_held"].milliseconds_per_day is None
    assert {each.migration for each in told.findings} == {None}


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


# --- what is not there --------------------------------------------------------------------------


def test_what_a_login_may_not_see_is_told_with_its_mend(observed: Landscape) -> None:
    observed.on_primary("create role watcher login password 'known'")
    try:
        with observed.primary.connect():
            take(observed, login={"user": "watcher", "password": "known"})
    finally:
        observed.on_primary("drop role watcher")
    mends = {each.what: each.mend for each in asked(observed).not_seen if each.side == "primary"}
    grant = "grant pg_read_all_stats to watcher;"
    assert (mends["xmin_holders"], mends["standbys"]) == (grant, grant)
    assert "create extension pg_stat_statements" in mends["statements"]
    assert "select from it" in mends["sequences of public.trading_orders_id_seq"]


def test_the_command(observed: Landscape) -> None:
    environment = {
        **os.environ,
        "PRIMARY_URL": observed.primary.url,
        "REPLICA_URL": observed.replica.url,
    }
    told = marts("advise", env=environment)
    assert told.returncode == 1
    assert "signal-marts observe" in told.stderr
    observed.on_primary("create index twice on ai_trading_signals (symbol, created_at desc)")
    try:
        take(observed)
    finally:
        observed.on_primary("drop index twice")
    told = marts("advise", env=environment)
    assert told.returncode == 0, told.stderr
    assert " 1  duplicate index: public.ai_trading_signals.twice on the primary" in told.stdout
    assert "        drop index concurrently if exists public.twice;\n" in told.stdout
    assert "not seen: statements on the primary: the extension" in told.stdout
    told = marts("advise", "--json", env=environment)
    assert told.returncode == 0, told.stderr
    read = json.loads(told.stdout)
    (one,) = read["findings"]
    assert one["where"] == "public.ai_trading_signals.twice"
    assert one["migration"]["text"].startswith("-- Duplicate index: public.ai_trading_signals.")
    assert one["evidence"]["duplicate_of"] == "idx_ai_signals_symbol_timestamp"


def test_without_marts_it_says_what_to_run(observed: Landscape) -> None:
    take(observed)
    with (
        planted_rows(observed, "drop schema operations cascade") as connection,
        pytest.raises(advice.NoSampleError, match="build"),
    ):
        advise(connection)
