"""Drills: replication after accidents on either side; one plain deploy heals all of them."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import psycopg
import pytest
from accidents import ACCIDENTS, Accident
from drills import eventually, heal, no_problem, problems, told, trade, wait, waits_for_lock
from landscapes import Landscape
from mortal_servers import at_server, configure, copying, create_database, on_both_versions
from psycopg import sql

from runner.build import transform
from runner.cli import cli
from runner.demo.embedded import EmbeddedPair
from runner.doctor import examine
from runner.errors import SignalMartsError
from runner.replication import faults, fence, sync
from runner.replication.trial_copy import UnreplicableRowError
from runner.servers.contract import read_contract
from runner.servers.database import Database
from runner.servers.relations import PlatformMismatchError
from runner.servers.sides import connected


@pytest.fixture
def landscape(bare: Landscape) -> Landscape:
    """A deployed platform on mortal servers, with rows of every table that the drills change."""
    bare.deploy()
    trade(bare)
    wait(bare)
    return bare


# --- what is right on every version -----------------------------------------------------------


@on_both_versions
def test_changes_arrive_and_a_deploy_repeats_to_nothing(landscape: Landscape) -> None:
    assert landscape.deploy() == []
    assert heal(landscape) == []


@on_both_versions
def test_a_column_of_the_platform_alone_comes_and_goes(landscape: Landscape) -> None:
    landscape.on_primary("alter table trading_stats add column mood text default 'calm'")
    trade(landscape)
    wait(landscape)
    assert landscape.differences() == []
    landscape.on_primary("alter table trading_stats drop column mood")
    assert heal(landscape) == []


@on_both_versions
@pytest.mark.parametrize("table", ["trading_stats", "ai_trading_signals"])
def test_a_column_of_the_contract_is_missed_and_comes_back(
    landscape: Landscape, table: str
) -> None:
    column = {"trading_stats": "net_profit", "ai_trading_signals": "confidence"}[table]
    landscape.on_replica(f"alter table {table} drop column {column} cascade")
    trade(landscape)
    assert any(f"{table}.{column} added" in line for line in heal(landscape))


@on_both_versions
def test_an_index_is_built_beside_an_old_transaction(bare: Landscape) -> None:
    with ThreadPoolExecutor(1) as pool, bare.primary.connect() as reader:
        reader.execute("set transaction isolation level repeatable read")
        reader.execute("select 1")
        deploying = pool.submit(bare.deploy)
        with bare.primary.connect(autocommit=True) as watcher:
            eventually(
                lambda: waits_for_lock(watcher, "create index concurrently") or deploying.done()
            )
        assert not deploying.done()
        # Nobody waits behind it.
        trade(bare)
        reader.rollback()
        deploying.result(120)
    assert heal(bare) == []


@pytest.mark.parametrize("accident", ACCIDENTS.values(), ids=ACCIDENTS.keys())
def test_an_accident_by_hand_is_told_and_healed(landscape: Landscape, accident: Accident) -> None:
    by_hand(landscape, "replica", accident.before)
    login = f"signal_marts_{landscape.replica.parameters()['dbname']}"
    by_hand(landscape, "primary", accident.primary.replace("{login}", login))
    by_hand(landscape, "replica", accident.replica)
    trade(landscape)
    if accident.told is not None:
        told(landscape, accident.told)
    changed = heal(landscape)
    assert any(accident.changed in line for line in changed) or not accident.changed, changed


def by_hand(landscape: Landscape, side: str, statements: str) -> None:
    """Run statements one by one, each in a transaction of its own."""
    database: Database = getattr(landscape, side)
    with database.connect(autocommit=True) as connection:
        for statement in filter(None, statements.split(";")):
            connection.execute(statement)


def test_a_row_that_stops_the_replica_is_named_before_anything_is_emptied(
    landscape: Landscape,
) -> None:
    # As deep as the primary builds, and its limits of today would not let in.
    name = landscape.replica.parameters()["dbname"]
    by_hand(
        landscape,
        "replica",
        f"alter database {name} set max_stack_depth = '200kB';"
        "alter subscription signal_marts disable",
    )
    # One that had not seen that it is disabled would go on with the stack of before.
    eventually(
        lambda: (
            landscape.on_replica("select count(*) from pg_stat_subscription where pid is not null")
            == [(0,)]
        )
    )
    by_hand(landscape, "replica", "alter subscription signal_marts enable")
    landscape.on_primary(
        """
        alter table ai_models disable trigger ai_models_limits;
        insert into ai_models (model_type, model_name, version, config)
        select 'sparse_spectrum', 'deep', '1', jsonb_build_object('a', deep.v)
        from (
            with recursive deep (n, v) as (
                select 1, '[]'::jsonb
                union all
                select n + 1, jsonb_build_array(v) from deep where n < 4000
            )

            select v from deep order by n desc limit 1
        ) as deep;
        alter table ai_models enable trigger ai_models_limits
        """
    )
    held = landscape.on_replica("select count(*) from trading_stats")
    # What is asked to be copied again stops at it as well.
    for resync in (None, ("public.ai_models",)):
        with pytest.raises(
            UnreplicableRowError,
            match=r"the row \(id = \d+\) of public.ai_models, column config, cannot be replicated:"
            " stack depth limit exceeded. No table was emptied",
        ):
            landscape.deploy(resync=resync)
        assert landscape.on_replica("select count(*) from trading_stats") == held
        assert not any("all tables are copied again" in line for line in landscape.reports)
    landscape.on_primary("delete from ai_models where model_name = 'deep'")
    heal(landscape)


@pytest.mark.parametrize("names", [(), ("public.trading_stats",)], ids=["all", "a table"])
def test_rows_changed_by_hand_are_copied_again(
    landscape: Landscape, names: tuple[str, ...]
) -> None:
    landscape.on_replica(
        "delete from trading_stats where id % 2 = 0; update trading_stats set net_profit = -1"
    )
    assert landscape.differences() == ["public.trading_stats"]
    assert landscape.deploy(resync=names)
    assert heal(landscape) == []


def test_a_key_that_goes_is_refused(landscape: Landscape) -> None:
    landscape.on_primary("alter table trading_stats drop constraint trading_stats_pkey")
    with pytest.raises(PlatformMismatchError, match="trading_stats has no primary key"):
        landscape.deploy()
    landscape.on_primary("alter table trading_stats add primary key (id)")
    heal(landscape)


def test_the_landing_tables_of_a_lost_database_are_made_anew(
    landscape: Landscape, mortals: EmbeddedPair
) -> None:
    """The slot still stands on the primary, for a replica that is no more."""
    with connected(landscape.primary, landscape.replica) as sides:
        sync.remove_from_replica(sides.on_replica)
    trade(landscape)
    name = landscape.replica.parameters()["dbname"]
    with at_server(mortals, mortals.replica) as connection:
        connection.execute(sql.SQL("drop database {}").format(sql.Identifier(name)))
    create_database(mortals, mortals.replica, "replica", name)
    told(landscape, "no subscription")
    heal(landscape)


# --- the slot is lost -------------------------------------------------------------------------


def test_a_lost_slot_is_told_and_healed(landscape: Landscape, mortals: EmbeddedPair) -> None:
    configure(mortals, mortals.primary, "max_slot_wal_keep_size", "16MB")
    try:
        mortals.replica.stop()
        with landscape.primary.connect(autocommit=True) as connection:
            eventually(lambda: slot_is_lost(connection))
        mortals.replica.start()
        told(landscape, "is lost")
        with pytest.raises(fence.FenceError):
            wait(landscape, timeout=1)
        assert any("the slot is lost" in line for line in heal(landscape))
    finally:
        configure(mortals, mortals.primary, "max_slot_wal_keep_size", "4GB")


def slot_is_lost(connection: psycopg.Connection) -> bool:
    """Push the log on, and look."""
    connection.execute("create table if not exists ballast (x text)")
    connection.execute("insert into ballast values ('x')")
    connection.execute("select pg_switch_wal()")
    connection.execute("checkpoint")
    return connection.execute(
        "select wal_status from pg_replication_slots where database = current_database()"
    ).fetchall() == [("lost",)]


def test_a_copy_whose_slot_is_gone_is_told_and_healed(landscape: Landscape) -> None:
    """As when the replica crashes just after a copy, and has forgotten that it was done."""
    by_hand(
        landscape,
        "replica",
        "alter subscription signal_marts disable;"
        "update pg_subscription_rel set srsubstate = 'f', srsublsn = null"
        " where srrelid = 'micro_patterns'::regclass;"
        "alter subscription signal_marts enable",
    )
    trade(landscape)
    told(landscape, "the copy of public.micro_patterns cannot go on")
    with pytest.raises(fence.BrokenReplicationError, match=r"copy of public\.micro_patterns"):
        wait(landscape)
    heal(landscape)


# --- the fence --------------------------------------------------------------------------------


@contextmanager
def inserting(landscape: Landscape) -> Iterator[Callable[[], int]]:
    """Rows come all the time; yields how many were committed so far."""
    stop = threading.Event()
    committed = [0]

    def insert() -> None:
        with landscape.primary.connect(autocommit=True) as connection:
            while not stop.is_set():
                connection.execute(
                    "insert into trading_stats (date)"
                    " select max(date) + n from trading_stats, generate_series(1, 20) as n"
                    " group by n"
                )
                committed[0] += 20

    with ThreadPoolExecutor(1) as pool:
        working = pool.submit(insert)
        try:
            yield lambda: committed[0]
        finally:
            stop.set()
            working.result(60)


@pytest.mark.parametrize("commit", ["on", "off"])
def test_the_fence_shows_all_that_was_committed_before_it(
    landscape: Landscape, mortals: EmbeddedPair, commit: str
) -> None:
    configure(mortals, mortals.primary, "synchronous_commit", commit)
    try:
        ((before,),) = landscape.on_replica("select count(*) from trading_stats")
        with (
            inserting(landscape) as committed,
            connected(landscape.primary, landscape.replica) as sides,
        ):
            for _ in range(30):
                at_least = committed()
                fence.wait(sides.on_primary, sides.on_replica, read_contract(), timeout=60)
                row = sides.on_replica.execute("select count(*) from trading_stats").fetchone()
                assert row is not None
                assert row[0] >= int(str(before)) + at_least
        wait(landscape)
        assert landscape.differences() == []
    finally:
        configure(mortals, mortals.primary, "synchronous_commit", "on")


def test_many_fences_at_once_do_not_stand_in_each_others_way(landscape: Landscape) -> None:
    def waits(_: int) -> None:
        with connected(landscape.primary, landscape.replica) as sides:
            for _ in range(20):
                fence.wait(sides.on_primary, sides.on_replica, read_contract(), timeout=30)

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(waits, range(4)))


def test_the_fence_waits_for_an_apply_behind_a_lock(landscape: Landscape) -> None:
    with landscape.replica.connect() as blocker:
        blocker.execute("lock table trading_stats in exclusive mode")
        trade(landscape)
        with pytest.raises(fence.FenceError, match="still on their way"):
            wait(landscape, timeout=0.5)
        # The earlier token is still on its way, which is no gap.
        assert not [p for p in problems(landscape) if "lost" in p]
    wait(landscape)
    assert landscape.differences() == []


def test_the_fence_says_at_once_that_it_would_wait_in_vain(landscape: Landscape) -> None:
    """Even where the last token never arrived: the deadline is far beyond the test's own."""
    landscape.on_replica("alter subscription signal_marts disable")
    with connected(landscape.primary, landscape.replica) as sides:
        sides.on_primary.execute(
            "update ai_replication_fence set token = gen_random_uuid(), written_at = now()"
        )
    with pytest.raises(fence.FenceError, match="disabled"):
        wait(landscape, timeout=3600)
    heal(landscape)


def test_a_token_of_a_time_that_is_not_yet(
    landscape: Landscape, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its table is the migrator's, who may write what no clock shows: all say so, and the mend."""
    monkeypatch.setenv("PRIMARY_URL", landscape.primary.url)
    monkeypatch.setenv("REPLICA_URL", landscape.replica.url)
    mend = "delete from public.ai_replication_fence"

    def findings() -> list[str]:
        found = examine(landscape.primary, landscape.replica)
        return [each.mend for each in found if each.text == faults.TOKEN_AHEAD.text]

    landscape.on_primary("update ai_replication_fence set written_at = '-infinity'")
    wait(landscape)  # which any clock is later than
    for time in ("infinity", "294276-12-31 23:59:59.999999Z", "2200-01-01Z"):
        landscape.on_primary(f"update ai_replication_fence set written_at = '{time}'")
        assert findings() == [faults.TOKEN_AHEAD.mend]
        for command in ("build", "deploy", "status"):
            with pytest.raises(SignalMartsError) as failed:
                cli([command], standalone_mode=False)
            assert mend in str(failed.value)
        with landscape.replica.connect() as blocker:
            # The former token on the replica proves nothing.
            blocker.execute("lock table ai_replication_fence in share row exclusive mode")
            landscape.on_primary(mend)
            with pytest.raises(fence.FenceError, match="still on their way"):
                wait(landscape, timeout=0.5)
        assert landscape.deploy() == []
        wait(landscape)
        no_problem(landscape)
        assert findings() == []
    # By it a plain dbt tells rows of the future.
    landscape.on_replica("update ai_replication_fence set written_at = 'infinity'")
    built = transform.build(
        landscape.replica.environment(),
        advance=lambda done, total, at: None,
        select=["stg_platform__trade_plans"],
        target=tmp_path,
        tests=False,
    )
    assert "more than a day ahead of the clock" in built.failures[0].message


def test_the_fence_waits_for_the_copy(bare: Landscape) -> None:
    with copying(bare):
        with pytest.raises(fence.FenceError, match=r"still copying .*public\.micro_patterns"):
            wait(bare, timeout=0.5)
        told(bare, "still copying public.micro_patterns")
    eventually(lambda: not [p for p in problems(bare) if "copying" in p])
    heal(bare)
