"""Findings on two real servers: planted faults are found, and what is proposed mends them."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest
from advised import asked, found, kinds, take
from command_line import BIN, marts
from landscapes import Landscape
from psycopg import sql

from runner.advice import advice
from runner.advice.advice import Advice, Finding
from runner.deploy import migrations
from runner.deploy.migration_rules import check_folder
from runner.servers.database import Database
from runner.servers.deploy_lock import one_at_a_time
from runner.settings import PROJECT


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


def test_what_an_index_is_needed_for_is_never_dropped(observed: Landscape) -> None:
    """Constraints, a replica identity, and parts of an index; nor is an index called unused by
    statistics that were reset."""
    observed.on_primary(
        "create table kept (a bigint primary key, b int not null unique, c int not null, d int);"
        "create unique index kept_identity on kept (c);"
        "alter table kept replica identity using index kept_identity;"
        "create table parts (a bigint) partition by range (a); create index on parts (a);"
        "create table part partition of parts for values from (0) to (9);"
        "create index kept_idle on kept (b, c);"
        # The longer one is to serve the scans of the shorter one.
        "create index kept_short on kept (d); create index kept_long on kept (d, a)"
    )
    try:
        take(observed, days=31)
        told = [each.where for each in asked(observed).findings if "public.k" in each.where]
        assert told == ["public.kept.kept_short", "public.kept.kept_idle"]
        assert not [each for each in asked(observed).findings if "public.part" in each.where]
        observed.on_primary("select pg_stat_reset()")
        take(observed)
        assert kinds(asked(observed)) == {"public.kept.kept_short": "overlapping_index"}
    finally:
        observed.on_primary("drop table kept, parts")


# --- the command --------------------------------------------------------------------------------


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
