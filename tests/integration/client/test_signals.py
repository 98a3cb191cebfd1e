"""The data access layer on real servers: exactly once, whatever happens meanwhile."""

from __future__ import annotations

import asyncio
import random
import re
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, fields, replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any, LiteralString

import psycopg
import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from landscapes import Landscape, drop_landscape, make_landscape
from psycopg.rows import dict_row
from psycopg_pool import PoolTimeout
from test_embedded import folder_for_all, kill

from runner.client import (
    AITradingIntegration,
    AsyncAITradingIntegration,
    DuplicateRecordError,
    ExecutedSignalError,
    ExpiredSignalError,
    HoldSignalError,
    IdempotencyConflictError,
    InvalidRecordError,
    ModelConflictError,
    NotStoredError,
    OutcomeUnknownError,
    PlanRefusedError,
    PlatformTableError,
    StoreError,
    UnknownSignalError,
    signals,
    validation,
)
from runner.client.operations import Operation
from runner.client.pools import ANALYTICS, TRADING, AsyncPools, Pools
from runner.client.records import Bar, Episode, Generation, Model, Signal, SpectrumResult
from runner.demo.embedded import EmbeddedPair
from runner.demo.platform import create_platform
from runner.deploy.deploy import deploy
from runner.deploy.migrations import FOLDER
from runner.errors import UsageError
from runner.servers.database import Connection, Database
from runner.settings import PROJECT

AT = datetime(2025, 3, 1, 12, tzinfo=UTC)
MODEL = Model("sparse_spectrum", "listener", "1", {"window": 64})
SIGNAL = Signal(
    symbol="BTCUSD",
    signal_type="BUY",
    confidence=0.75,
    created_at=AT,
    price_target=Decimal("101.5"),
    stop_loss=Decimal(99),
    take_profit=Decimal("103.00000001"),
    metadata={"edge": 0.5},
)
BAR = Bar(
    "BTCUSD", "1h", AT, Decimal(100), Decimal(102), Decimal(99), Decimal(101), Decimal("12.5")
)


@pytest.fixture(scope="module")
def shared(pair: EmbeddedPair) -> Iterator[Landscape]:
    """A deployed platform that the tests of this file share; each begins with its tables empty."""
    made = make_landscape(pair, pair.urls().replica)
    made.deploy()
    yield made
    drop_landscape(made)


@dataclass
class Desk:
    """Both sides of the primary: a module's, and the administrator's to look behind it."""

    landscape: Landscape
    pools: Pools
    module: AITradingIntegration
    model_id: int

    def look(self, statement: str) -> list[tuple[Any, ...]]:
        return self.landscape.on_primary(statement)

    def signal(self, **changes: Any) -> Signal:
        return replace(SIGNAL, model_id=self.model_id, **changes)


def empty(landscape: Landscape) -> None:
    # The platform's tables are truncated by deletes: the replica follows those.
    landscape.on_primary(
        "delete from ai_trading_signals; delete from rl_training_episodes;"
        "delete from genetic_generations; delete from spectrum_analysis; delete from market_bars;"
        "delete from ai_models; delete from trading_orders; delete from trade_plans;"
        "delete from micro_patterns"
    )


@pytest.fixture
def desk(shared: Landscape) -> Iterator[Desk]:
    empty(shared)
    with Pools(shared.primary, shared.replica) as pools:
        module = AITradingIntegration(pools, deadline_seconds=10)
        yield Desk(shared, pools, module, module.register_model(MODEL, at=AT))


# --- what is stored, and what comes of it -------------------------------------------------------


def test_a_signal_is_kept_as_it_is(desk: Desk) -> None:
    signal = desk.signal(
        expires_at=AT + timedelta(hours=4), metadata={"a": ["'; drop table x; --", {"ü": None}]}
    )
    id_ = desk.module.store_ai_signal(signal)
    names = ", ".join(
        f.name for f in fields(Signal) if f.name not in ("pattern_id", "idempotency_key")
    )
    row = desk.look(f"select {names}, status, updated_at from ai_trading_signals where id = {id_}")
    assert row == [
        (*(getattr(signal, name) for name in names.split(", ")), "ACTIVE", signal.created_at)
    ]


def test_every_kind_of_record_is_stored(desk: Desk) -> None:
    module, id_ = desk.module, desk.model_id
    assert module.register_model(MODEL) == id_
    assert desk.look("select created_at, config from ai_models") == [(AT, {"window": 64})]
    assert module.last_training_number(id_) == 0
    episode = Episode(3, 2.5, 100, None, Decimal("10000.5"), 1.25, AT, {"a": 1})
    assert module.store_episode(id_, episode) > 0
    numbers = range(4, 9)
    ids = module.store_episodes(id_, [replace(episode, episode_number=n) for n in numbers])
    assert desk.look("select id, episode_number from rl_training_episodes offset 1") == list(
        zip(ids, numbers, strict=True)
    )
    generation = Generation(12, 2.0, 1.0, None, {"fast": 3}, AT)
    module.store_generation(id_, generation)
    module.store_generations(id_, [replace(generation, generation_number=11)])
    assert module.last_training_number(id_) == 12
    result = SpectrumResult("BTCUSD", "wavelet", ({"period": 24.0, "power": 0.5},), 0.5, -2.0, AT)
    module.store_spectrum_result(id_, result)
    assert len(module.store_spectrum_results(id_, [result] * 3)) == 3
    assert desk.look("select distinct symbol, dominant_frequencies from spectrum_analysis") == [
        ("BTCUSD", [{"period": 24.0, "power": 0.5}])
    ]
    assert module.store_market_bars([BAR, replace(BAR, timeframe="4h")]) == 2
    # Overlapping rows are skipped.
    assert module.store_market_bars([BAR, replace(BAR, timeframe="1d")]) == 1
    for nothing in (module.store_ai_signals([]), module.store_episodes(id_, [])):
        assert nothing == []
    assert module.store_market_bars([]) == 0


def test_the_related_pattern_is_never_a_later_one(desk: Desk) -> None:
    desk.landscape.on_primary(
        "insert into micro_patterns (symbol, timeframe, pattern_type, confidence, signal,"
        " created_at) values ('BTCUSD', '1h', 'breakout', 0.5, 'BUY', '2025-03-01 10:00Z'),"
        " ('BTCUSD', '1h', 'pullback', 0.5, 'BUY', '2025-03-01 12:00Z'),"
        " ('ETHUSD', '1h', 'ma_cross', 0.5, 'BUY', '2025-03-01 11:00Z')"
    )
    find = desk.module.find_related_pattern
    found = find("BTCUSD", AT)
    assert found is not None
    assert (found.pattern_type, found.created_at) == ("pullback", AT)
    earlier = find("BTCUSD", AT - timedelta(microseconds=1))
    assert earlier is not None
    assert earlier.pattern_type == "breakout"
    assert find("BTCUSD", AT - timedelta(seconds=1), within=timedelta(hours=1)) is None
    assert find("BTCUSD", AT - timedelta(days=1)) is None
    assert find("DOGEUSD", AT) is None
    asked = [("DOGEUSD", AT), ("ETHUSD", AT), ("BTCUSD", AT)]
    types = [p and p.pattern_type for p in desk.module.find_related_patterns(asked)]
    assert types == [None, "ma_cross", "pullback"]
    id_ = desk.module.store_ai_signal(desk.signal(pattern_id=found.pattern_id))
    assert desk.look(f"select pattern_id from ai_trading_signals where id = {id_}") == [
        (found.pattern_id,)
    ]


def test_a_plan_is_made_once_and_linked(desk: Desk) -> None:
    id_ = desk.module.store_ai_signal(desk.signal())
    plan = desk.module.create_trade_plan_from_ai_signal(id_, at=AT + timedelta(minutes=5))
    assert desk.module.create_trade_plan_from_ai_signal(id_) == plan
    assert desk.look("select status, trade_plan_id from ai_trading_signals") == [("EXECUTED", plan)]
    assert desk.look(
        "select id, symbol, strategy, entry_price_target, stop_loss_price, take_profit_1_price,"
        " created_at, signal_details ->> 'signal_id', signal_details ->> 'model',"
        " (signal_details -> 'confidence')::float8 from trade_plans"
    ) == [
        (
            plan,
            "BTCUSD",
            "ai",
            Decimal("101.5"),
            Decimal(99),
            Decimal("103.00000001"),
            AT + timedelta(minutes=5),
            str(id_),
            "listener",
            0.75,
        )
    ]
    # A plan is not older than its signal, whatever the clocks say.
    late = desk.module.store_ai_signal(desk.signal())
    desk.module.create_trade_plan_from_ai_signal(late, at=AT - timedelta(hours=1))
    assert desk.look("select max(created_at), min(created_at) from trade_plans") == [
        (AT + timedelta(minutes=5), AT)
    ]


def test_no_plan_comes_of_these(desk: Desk) -> None:
    module = desk.module
    plan = module.create_trade_plan_from_ai_signal
    with pytest.raises(UnknownSignalError, match=r"there is no signal 9+ \(give the id"):
        plan(99999)
    with pytest.raises(InvalidRecordError, match="signal_id 0 is not an id"):
        plan(0)
    hold = module.store_ai_signal(replace(desk.signal(), signal_type="HOLD"))
    with pytest.raises(HoldSignalError, match=f"signal {hold} says HOLD"):
        plan(hold)
    due = module.store_ai_signal(desk.signal(expires_at=AT + timedelta(hours=1)))
    with pytest.raises(ExpiredSignalError, match=f"signal {due} expired at 2025-03-01 13:00"):
        plan(due, at=AT + timedelta(hours=1))
    with pytest.raises(ExpiredSignalError):
        plan(due)
    assert module.expire_due_signals(at=AT, model_ids=[desk.model_id]) == 0
    assert module.expire_due_signals(model_ids=[desk.model_id + 1]) == 0
    assert module.expire_due_signals() == 1
    with pytest.raises(ExpiredSignalError):
        plan(due, at=AT)
    executed = module.store_ai_signal(desk.signal())
    assert module.record_execution(executed) is True
    assert module.record_execution(executed) is False
    with pytest.raises(ExecutedSignalError, match="executed without a plan"):
        plan(executed)
    assert desk.look("select count(*) from trade_plans") == [(0,)]


def test_an_execution_is_recorded_once(desk: Desk) -> None:
    module = desk.module
    first, second = (module.store_ai_signal(desk.signal()) for _ in range(2))
    plan = module.create_trade_plan_from_ai_signal(first)
    assert module.record_execution(second, trade_plan_id=plan) is True
    assert module.record_execution(second, trade_plan_id=plan) is False
    assert module.create_trade_plan_from_ai_signal(second) == plan
    with pytest.raises(ExecutedSignalError, match=f"executed with plan {plan}"):
        module.record_execution(second)
    with pytest.raises(UnknownSignalError):
        module.record_execution(99999)
    due = module.store_ai_signal(desk.signal(expires_at=AT + timedelta(hours=1)))
    with pytest.raises(InvalidRecordError, match="trade_plan_id 77777 is no plan"):
        module.record_execution(due, trade_plan_id=77777, at=AT)
    with pytest.raises(ExpiredSignalError):
        module.record_execution(due)
    assert module.record_execution(due, at=AT) is True


def test_the_platform_may_refuse_a_plan(desk: Desk) -> None:
    long = desk.module.store_ai_signal(desk.signal(symbol="X" * 30))
    with pytest.raises(PlanRefusedError, match=r"too long for type character varying\(20\)"):
        desk.module.create_trade_plan_from_ai_signal(long)
    bare = desk.module.store_ai_signal(desk.signal(price_target=None))
    with pytest.raises(PlanRefusedError, match=r'"entry_price_target".*violates not-null'):
        desk.module.create_trade_plan_from_ai_signal(bare)
    desk.landscape.on_primary("alter table trade_plans rename to plans")
    try:
        with pytest.raises(PlatformTableError, match="record_ai_signal_execution"):
            desk.module.create_trade_plan_from_ai_signal(bare)
    finally:
        desk.landscape.on_primary("alter table plans rename to trade_plans")
    assert desk.look("select distinct status from ai_trading_signals") == [("ACTIVE",)]


def test_what_does_not_exist_is_named(desk: Desk) -> None:
    module = desk.module
    with pytest.raises(InvalidRecordError, match="model_id 999 is no registered model"):
        module.store_ai_signal(replace(SIGNAL, model_id=999))
    with pytest.raises(InvalidRecordError, match="pattern_id 999 is no pattern"):
        module.store_ai_signal(desk.signal(pattern_id=999))
    with pytest.raises(InvalidRecordError, match="model_id None is missing"):
        module.store_ai_signal(SIGNAL)
    good = [desk.signal() for _ in range(5)]
    with pytest.raises(InvalidRecordError, match="signal 5: model_id 999 is no") as caught:
        module.store_ai_signals([*good, replace(SIGNAL, model_id=999)])
    assert (caught.value.index, caught.value.field, caught.value.value) == (5, "model_id", 999)
    with pytest.raises(InvalidRecordError, match="signal 2: pattern_id 998 is no pattern"):
        module.store_ai_signals([*good[:2], desk.signal(pattern_id=998)])
    episode = Episode(1, 1.0, 1, None, None, None, AT)
    with pytest.raises(InvalidRecordError, match="model_id 999 is no registered model"):
        module.store_episode(999, episode)
    with pytest.raises(ModelConflictError, match="is registered as sparse_spectrum"):
        module.register_model(replace(MODEL, model_type="reinforcement_learning"))
    for table in ("ai_trading_signals", "rl_training_episodes"):
        assert desk.look(f"select count(*) from {table}") == [(0,)]


def test_a_training_number_is_stored_once(desk: Desk) -> None:
    episodes = [Episode(n, 1.0, 1, None, None, None, AT) for n in range(10)]
    desk.module.store_episode(desk.model_id, episodes[7])
    with pytest.raises(
        DuplicateRecordError, match=r"episode 7: model_id \d+, episode_number 7 is stored already"
    ) as caught:
        desk.module.store_episodes(desk.model_id, episodes)
    assert caught.value.index == 7
    with pytest.raises(DuplicateRecordError):
        desk.module.store_episode(desk.model_id, episodes[7])
    assert desk.look("select count(*) from rl_training_episodes") == [(1,)]


def test_bars_may_be_the_platforms_own(desk: Desk) -> None:
    desk.landscape.on_primary("revoke insert on market_bars from ai_writer")
    try:
        with pytest.raises(StoreError, match="market_bars is the platform's own table"):
            desk.module.store_market_bars([BAR])
    finally:
        desk.landscape.on_primary("grant insert on market_bars to ai_writer")


def test_it_works_inside_a_callers_transaction(desk: Desk) -> None:
    with desk.landscape.primary.connect() as connection:
        connection.execute("select 1")
        inside = AITradingIntegration.inside(connection)
        kept = inside.store_ai_signals([desk.signal(idempotency_key="kept")])
        with pytest.raises(UnknownSignalError):
            inside.create_trade_plan_from_ai_signal(99999)
        # The failure took nothing else with it.
        assert (
            inside.store_ai_signals([desk.signal(), desk.signal(idempotency_key="kept")])[1]
            == kept[0]
        )
        inside.create_trade_plan_from_ai_signal(kept[0])
        connection.rollback()
        with pytest.raises(UsageError, match="no analytics pool"):
            inside.read("select 1")
    assert desk.look("select count(*) from ai_trading_signals") == [(0,)]
    assert desk.look("select count(*) from trade_plans") == [(0,)]


# --- once ---------------------------------------------------------------------------------------


def test_a_key_stores_once(desk: Desk) -> None:
    module = desk.module
    signal = desk.signal(idempotency_key="once")
    id_ = module.store_ai_signal(signal)
    assert module.store_ai_signal(signal) == id_
    assert module.store_ai_signal(replace(signal, confidence=0.1)) == id_
    ids = module.store_ai_signals([desk.signal(), signal, desk.signal(idempotency_key="other")])
    assert ids[1] == id_
    assert len(set(ids)) == 3
    assert module.store_ai_signals([replace(signal, idempotency_key="other"), signal]) == [
        ids[2],
        id_,
    ]
    assert module.find_signals(["once", "never", "other"]) == {"once": id_, "other": ids[2]}
    other = desk.signal(idempotency_key="once", symbol="ETHUSD")
    with pytest.raises(IdempotencyConflictError, match=f"belongs to signal {id_}"):
        module.store_ai_signal(other)
    with pytest.raises(IdempotencyConflictError, match=f"signal 1: .* belongs to signal {id_}"):
        module.store_ai_signals([desk.signal(), other])
    assert desk.look("select count(*), count(distinct id) from ai_trading_signals") == [(3, 3)]


@pytest.mark.parametrize("many", [False, True])
@pytest.mark.parametrize("outcome", ["commit", "rollback"])
def test_a_key_that_is_in_flight_is_waited_for(desk: Desk, outcome: str, many: bool) -> None:
    signal = desk.signal(idempotency_key="flying")
    with desk.landscape.primary.connect() as connection, ThreadPoolExecutor(1) as pool:
        connection.execute("select 1")
        first = AITradingIntegration.inside(connection).store_ai_signal(signal)
        store: Callable[[], int] = (
            (lambda: desk.module.store_ai_signals([signal])[0])
            if many
            else (lambda: desk.module.store_ai_signal(signal))
        )
        second = pool.submit(store)
        wait_until_blocked(desk)
        assert not second.done()
        getattr(connection, outcome)()
        assert (second.result(10) == first) is (outcome == "commit")
    assert desk.look("select count(*) from ai_trading_signals") == [(1,)]


def wait_until_blocked(desk: Desk) -> None:
    deadline = time.monotonic() + 10
    while desk.look("select count(*) from pg_locks where not granted") == [(0,)]:
        assert time.monotonic() < deadline
        time.sleep(0.01)


def test_many_who_store_the_same_store_it_once(desk: Desk) -> None:
    batch = [desk.signal(idempotency_key=f"key {n}") for n in range(50)]

    def store(seed: int) -> list[int]:
        mixed = random.Random(seed).sample(batch, len(batch))
        if seed % 2:
            ids = desk.module.store_ai_signals(mixed)
        else:
            ids = [desk.module.store_ai_signal(signal) for signal in mixed]
        return [id_ for _, id_ in sorted(zip((s.idempotency_key for s in mixed), ids, strict=True))]

    with ThreadPoolExecutor(8) as pool:
        results = list(pool.map(store, range(8)))
    assert all(result == results[0] for result in results)
    assert desk.look("select count(*) from ai_trading_signals") == [(50,)]


Store = Callable[[Desk], Any]
STORES: Mapping[str, tuple[Store, str]] = {
    "signal": (lambda desk: desk.module.store_ai_signal(desk.signal()), "ai_trading_signals"),
    "signals": (
        lambda desk: desk.module.store_ai_signals([desk.signal(), desk.signal()]),
        "ai_trading_signals",
    ),
    "episodes": (
        lambda desk: desk.module.store_episodes(
            desk.model_id, [Episode(n, 1.0, 1, None, None, None, AT) for n in range(2)]
        ),
        "rl_training_episodes",
    ),
    "spectrum": (
        lambda desk: desk.module.store_spectrum_results(
            desk.model_id, [SpectrumResult("X", "fourier", (), None, None, AT)]
        ),
        "spectrum_analysis",
    ),
    "bars": (lambda desk: desk.module.store_market_bars([BAR]), "market_bars"),
    "plan": (
        lambda desk: desk.module.create_trade_plan_from_ai_signal(
            desk.module.store_ai_signal(desk.signal(idempotency_key="planned"))
        ),
        "trade_plans",
    ),
}


@pytest.mark.parametrize("kind", STORES)
def test_an_answer_that_is_lost_stores_nothing_twice(
    desk: Desk, kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    store, table = STORES[kind]
    perform = signals._perform
    lost: dict[str, Any] = {}

    def lose_the_first_answers(
        connection: Connection, operation: Operation[Any], *arguments: Any
    ) -> Any:
        result = perform(connection, operation, *arguments)
        if operation.what not in lost:
            lost[operation.what] = result
            connection.close()
            raise psycopg.OperationalError("server closed the connection unexpectedly")
        return result

    monkeypatch.setattr(signals, "_perform", lose_the_first_answers)
    result = store(desk)
    count = 2 if kind in ("signals", "episodes") else 1
    assert desk.look(f"select count(*) from {table}") == [(count,)]
    if kind != "bars":
        assert [result] == [[*lost.values()][-1]]


@pytest.mark.parametrize("many", [False, True])
def test_an_unknown_outcome_is_said_to_be_one(
    desk: Desk, many: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    perform = signals._perform

    def lose_every_answer(connection: Connection, *arguments: Any) -> Any:
        perform(connection, *arguments)
        connection.close()
        raise psycopg.OperationalError("server closed the connection unexpectedly")

    desk.pools.trading.wait()
    hurried = AITradingIntegration(desk.pools, deadline_seconds=0.3)
    monkeypatch.setattr(signals, "_perform", lose_every_answer)
    stores: Mapping[bool, Callable[[], object]] = {
        True: lambda: hurried.store_ai_signals([desk.signal()]),
        False: lambda: hurried.store_ai_signal(desk.signal()),
    }
    with pytest.raises(OutcomeUnknownError, match="call again with the same") as caught:
        stores[many]()
    monkeypatch.undo()
    (key,) = caught.value.idempotency_keys
    assert list(desk.module.find_signals([key])) == [key]
    assert desk.look("select count(*) from ai_trading_signals") == [(1,)]


def test_what_was_not_stored_is_said_so(desk: Desk, unused_port: Callable[[], int]) -> None:
    nowhere = Database("primary", f"postgresql://postgres@127.0.0.1:{unused_port()}/trading")
    with Pools(nowhere) as pools:
        module = AITradingIntegration(pools, deadline_seconds=0.5)
        with pytest.raises(NotStoredError, match="nothing is stored: the server cannot be"):
            module.store_ai_signal(desk.signal())
    with pytest.raises(UsageError, match="pools are closed"):
        module.store_ai_signal(desk.signal())
    # A lock that is held too long, and a deadlock's or serialization's like.
    id_ = desk.module.store_ai_signal(desk.signal())
    with desk.landscape.primary.connect() as connection:
        connection.execute("select from ai_trading_signals where id = %s for update", (id_,))
        limits = replace(TRADING, lock_timeout_seconds=0.1, statement_timeout_seconds=0.5)
        with Pools(desk.landscape.primary, trading_limits=limits) as pools:
            pools.trading.wait()
            hurried = AITradingIntegration(pools, deadline_seconds=0)
            with pytest.raises(StoreError, match="statement timeout"):
                hurried.create_trade_plan_from_ai_signal(id_)


def test_one_plan_of_many_calls_at_once(desk: Desk) -> None:
    id_ = desk.module.store_ai_signal(desk.signal())
    with ThreadPoolExecutor(8) as pool:
        plans = list(pool.map(desk.module.create_trade_plan_from_ai_signal, [id_] * 32))
    assert len(set(plans)) == 1
    assert desk.look("select count(*) from trade_plans") == [(1,)]


@pytest.mark.timeout(240)
def test_plans_are_made_once_though_the_server_dies(monkeypatch: pytest.MonkeyPatch) -> None:
    clients, count = 16, 1000
    with folder_for_all() as folder:
        pair = EmbeddedPair(folder / "home")
        urls = pair.up()
        monkeypatch.setenv("PGPASSFILE", str(urls.passfile))
        primary = Database("primary", urls.primary, search_path="public")
        replica = Database("replica", urls.replica)
        with primary.connect() as connection:
            create_platform(connection, days=0)
        deploy(primary, replica, lock_timeout=2, fence_timeout=60, report=lambda line: None)
        limits = replace(TRADING, max_size=clients)
        with Pools(primary, trading_limits=limits) as pools:
            module = AITradingIntegration(pools, deadline_seconds=120)
            model_id = module.register_model(MODEL)
            ids = module.store_ai_signals([replace(SIGNAL, model_id=model_id)] * count)
            done = threading.Semaphore(0)

            def convert(client: int) -> dict[int, int]:
                plans = {}
                for id_ in random.Random(client).sample(ids, count):
                    plans[id_] = module.create_trade_plan_from_ai_signal(id_)
                    done.release()
                return plans

            with ThreadPoolExecutor(clients) as threads:
                results = [threads.submit(convert, client) for client in range(clients)]
                for _ in range(2):
                    for _ in range(clients * count // 20):
                        assert done.acquire(timeout=60)
                    kill(pair.primary)
                    pair.up()
                plans = [result.result() for result in results]
        with primary.connect() as connection:
            rows = connection.execute(
                "select (signal_details ->> 'signal_id')::bigint, id from trade_plans"
            ).fetchall()
            linked = connection.execute(
                "select id, trade_plan_id from ai_trading_signals where status = 'EXECUTED'"
            ).fetchall()
    assert len(rows) == count
    assert sorted(rows) == sorted(linked) == sorted(plans[0].items())
    assert all(plan == plans[0] for plan in plans)


# --- pools and asyncio --------------------------------------------------------------------------


@pytest.mark.parametrize("starved", ["trading", "analytics"])
def test_neither_pool_starves_the_other(desk: Desk, starved: str) -> None:
    one: dict[str, Any] = {"max_size": 1, "wait_seconds": 0.1}
    with Pools(
        desk.landscape.primary,
        desk.landscape.replica,
        trading_limits=replace(TRADING, **(one if starved == "trading" else {})),
        analytics_limits=replace(ANALYTICS, **(one if starved == "analytics" else {})),
    ) as pools:
        pool = pools.trading if starved == "trading" else pools.analytics
        assert pool is not None
        module = AITradingIntegration(pools)
        hurried = AITradingIntegration(pools, deadline_seconds=0)
        with pool.connection(timeout=60):
            if starved == "trading":
                with pytest.raises(NotStoredError, match="every connection of the pool is in use"):
                    hurried.store_ai_signal(desk.signal())
                assert module.read("select 1 as one") == [{"one": 1}]
            else:
                with pytest.raises(PoolTimeout):
                    module.read("select 1 as one")
                module.store_ai_signal(desk.signal())


SESSION: LiteralString = """
    select current_user::text, current_setting('application_name'),
        current_setting('statement_timeout'), current_setting('lock_timeout'),
        current_setting('idle_in_transaction_session_timeout'), current_database()::text,
        current_setting('transaction_read_only')
"""


def test_pools_have_their_own_sessions(desk: Desk) -> None:
    with desk.pools.trading.connection() as connection:
        name = desk.landscape.primary.parameters()["dbname"]
        assert connection.execute(SESSION).fetchone() == (
            "ai_writer", "signal-marts trading", "30s", "5s", "30s", name, "off",
        )  # fmt: skip
    assert desk.pools.analytics is not None
    with desk.pools.analytics.connection() as connection:
        name = desk.landscape.replica.parameters()["dbname"]
        assert connection.execute(SESSION).fetchone() == (
            "bi_reader", "signal-marts analytics", "1min", "5s", "30s", name, "on",
        )  # fmt: skip


def test_pools_come_from_the_environment(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("PRIMARY_URL", "DATABASE_URL", "REPLICA_URL"):
        monkeypatch.delenv(name, raising=False)
    with pytest.raises(UsageError, match="set PRIMARY_URL"):
        Pools.from_environment()
    monkeypatch.setenv("PRIMARY_URL", desk.landscape.primary.url)
    with Pools.from_environment() as pools:
        assert AITradingIntegration(pools).register_model(MODEL) == desk.model_id
        with pytest.raises(UsageError, match="set REPLICA_URL"):
            AITradingIntegration(pools).read("select 1")


def test_asyncio_does_the_same(desk: Desk) -> None:
    asyncio.run(use_asyncio(desk))
    assert desk.look("select count(*), count(distinct trade_plan_id) from ai_trading_signals") == [
        (23, 1)
    ]


async def use_asyncio(desk: Desk) -> None:
    async with AsyncPools(desk.landscape.primary, desk.landscape.replica) as pools:
        module = AsyncAITradingIntegration(pools)
        assert await module.register_model(MODEL) == desk.model_id
        same = desk.signal(idempotency_key="same")
        stored = await asyncio.gather(*(module.store_ai_signal(same) for _ in range(20)))
        assert len(set(stored)) == 1
        ids = await module.store_ai_signals([*(desk.signal() for _ in range(20)), same])
        assert ids[-1] == stored[0]
        plans = await asyncio.gather(
            *(module.create_trade_plan_from_ai_signal(ids[0]) for _ in range(20))
        )
        assert len(set(plans)) == 1
        due = await module.store_ai_signal(desk.signal(expires_at=AT + timedelta(hours=1)))
        assert await module.record_execution(due, at=AT) is True
        assert await module.expire_due_signals() == 0
        assert await module.find_related_pattern("BTCUSD", AT) is None
        assert await module.find_signals(["same"]) == {"same": stored[0]}
        episode = Episode(1, 1.0, 1, None, None, None, AT)
        await module.store_episode(desk.model_id, episode)
        with pytest.raises(DuplicateRecordError):
            await module.store_episodes(desk.model_id, [episode])
        generation = Generation(2, 2.0, 1.0, None, {"fast": 3}, AT)
        await module.store_generation(desk.model_id, generation)
        await module.store_generations(desk.model_id, [replace(generation, generation_number=3)])
        assert await module.last_training_number(desk.model_id) == 3
        result = SpectrumResult("BTCUSD", "wavelet", ({"period": 24.0},), 0.5, -2.0, AT)
        await module.store_spectrum_result(desk.model_id, result)
        await module.store_spectrum_results(desk.model_id, [result])
        assert await module.store_market_bars([BAR]) == 1
        assert await module.read("select 1 as one") == [{"one": 1}]
        with pytest.raises(InvalidRecordError, match="signal 0: model_id 999"):
            await module.store_ai_signals([replace(SIGNAL, model_id=999)])
        async with pools.trading.connection() as connection:
            inside = AsyncAITradingIntegration.inside(connection)
            with pytest.raises(HoldSignalError):
                await inside.create_trade_plan_from_ai_signal(
                    await inside.store_ai_signal(replace(desk.signal(), signal_type="HOLD"))
                )
            async with connection.transaction(force_rollback=True):
                await inside.store_ai_signals([desk.signal()])
    with pytest.raises(UsageError):
        await module.register_model(MODEL)


def test_both_classes_have_the_same_methods() -> None:
    def methods(kind: type) -> set[str]:
        return {name for name in vars(kind) if not name.startswith("_")}

    assert methods(AITradingIntegration) == methods(AsyncAITradingIntegration)
    for name in methods(AITradingIntegration):
        assert getattr(AITradingIntegration, name).__doc__


# --- anything at all ----------------------------------------------------------------------------

# What ends a string, a statement, a COPY's field or row, a JSON text or a format somewhere.
METACHARACTERS = "'\"\\;-/*$%{}[]():,\t\n\r\x08\x0b\x1f\x7f\0\u2028\ufeff\U0001f40d é\ud800N."
TEXT = st.one_of(
    st.text(METACHARACTERS, max_size=12),
    st.text(max_size=12),
    st.sampled_from(
        [
            "'; drop table ai_models; --", "\\N", "\\.", "\\\\n", "%s", "{0}", "$1", "null", "NaN",
            "<script>", "../..", "\u202eevil", "x" * 100, "x" * 101, "ü" * 200, "",
        ]
    ),
)  # fmt: skip
NUMBER = st.one_of(
    st.floats(0, 1), st.floats(), st.integers(-2, 2**60), st.sampled_from([None, True, "0.5", 1])
)
PRICE = st.one_of(
    st.decimals("0.00000001", "999999999999.99999999", places=8),
    st.decimals(allow_nan=True, allow_infinity=True),
    st.sampled_from([None, 1, 1.5, Decimal("1.50"), Decimal("1E+11"), Decimal("1e-9"), "1"]),
)
TIME = st.one_of(
    st.datetimes(datetime(1980, 1, 1), datetime(2100, 1, 1), timezones=st.timezones()),
    st.datetimes(),
    st.just("2025-03-01"),
)
JSON = st.recursive(
    st.one_of(st.none(), st.booleans(), st.floats(), st.integers(-(2**70), 2**70), TEXT),
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(TEXT, inner, max_size=3)),
    max_leaves=6,
)
OBJECT = st.one_of(st.dictionaries(TEXT, JSON, max_size=3), JSON)
KIND = st.sampled_from(["BUY", "SELL", "HOLD", "hold", "BUY'", None])
ANALYSIS = st.sampled_from(["fourier", "wavelet", "compressed_sensing", "tarot"])

# A field in doubt beside fields that are good, so that not all are refused for the same reason.
GOOD_SIGNAL: Mapping[str, Any] = {
    "symbol": "BTCUSD", "signal_type": "BUY", "confidence": 0.5, "created_at": AT,
    "expires_at": None, "price_target": None, "stop_loss": None, "take_profit": None,
    "metadata": {}, "idempotency_key": None,
}  # fmt: skip
ANY_SIGNAL: Mapping[str, st.SearchStrategy[Any]] = {
    "symbol": TEXT, "signal_type": KIND, "confidence": NUMBER, "created_at": TIME,
    "expires_at": TIME, "price_target": PRICE, "stop_loss": PRICE, "take_profit": PRICE,
    "metadata": OBJECT, "idempotency_key": TEXT,
}  # fmt: skip
GOOD_RESULT: Mapping[str, Any] = {
    "symbol": "BTCUSD", "analysis_type": "fourier", "dominant_frequencies": (),
    "pattern_confidence": None, "anomaly_score": None, "created_at": AT, "analysis_data": {},
}  # fmt: skip
ANY_RESULT: Mapping[str, st.SearchStrategy[Any]] = {
    "symbol": TEXT, "analysis_type": ANALYSIS, "pattern_confidence": NUMBER,
    "dominant_frequencies": st.one_of(st.lists(OBJECT, max_size=2).map(tuple), OBJECT),
    "anomaly_score": NUMBER, "created_at": TIME, "analysis_data": OBJECT,
}  # fmt: skip
GOOD_MODEL: Mapping[str, Any] = {
    "model_type": "sparse_spectrum", "model_name": "m", "version": "1", "config": {},
}  # fmt: skip
ANY_MODEL: Mapping[str, st.SearchStrategy[Any]] = {
    "model_type": TEXT, "model_name": TEXT, "version": TEXT, "config": OBJECT,
}  # fmt: skip


def generated(
    kind: type[Any],
    good: Mapping[str, Any],
    doubtful: Mapping[str, st.SearchStrategy[Any]],
    count: int,
) -> list[Any]:
    """``count`` records with up to three fields in doubt, the same in every run."""
    made: list[Any] = []
    records = st.sets(st.sampled_from(sorted(doubtful)), min_size=1, max_size=3).flatmap(
        lambda names: st.fixed_dictionaries({name: doubtful[name] for name in sorted(names)})
    )

    # Most of the time goes into an example, hardly any into what one holds.
    @settings(
        max_examples=count // 25,
        derandomize=True,
        database=None,
        deadline=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(st.tuples(*[records] * 25))
    def collect(fields: tuple[dict[str, Any], ...]) -> None:
        made.extend(kind(**{**good, **some}) for some in fields)

    collect()
    assert len(made) >= count
    return made


def split(records: list[Any], check: Callable[[Any], object]) -> list[Any]:
    """The records that validation lets through; the others' refusals can be read by a person."""
    accepted = []
    for record in records:
        refusal = refused(check, record)
        if refusal is None:
            accepted.append(record)
        else:
            # It can be printed and logged, whatever stood in the record.
            assert len(str(refusal).encode()) < 1000
            assert refusal.field in str(refusal)
    # Both happen often, or the generator tests nothing.
    assert 0.1 < len(accepted) / len(records) < 0.9
    return accepted


def refused(check: Callable[[Any], object], record: Any) -> InvalidRecordError | None:
    try:
        check(record)
    except InvalidRecordError as refusal:
        return refusal
    return None


def in_utc(value: Any) -> Any:
    """A time that a zone has twice a year equals no time of another zone, in Python's eyes."""
    return value.astimezone(UTC) if isinstance(value, datetime) else value


def same_json(stored: Any, given: Any) -> bool:
    """Whether jsonb kept a value: it writes 1e16 with its zeros, which Python reads as an int."""
    if isinstance(given, dict):
        return stored.keys() == given.keys() and all(same_json(stored[k], given[k]) for k in given)
    if isinstance(given, list | tuple):
        return len(stored) == len(given) and all(map(same_json, stored, given))
    if isinstance(given, float):
        return float(stored) == given
    return type(stored) is type(given) and bool(stored == given)


def test_generated_signals_are_stored_exactly_or_refused(desk: Desk) -> None:
    made = generated(Signal, GOOD_SIGNAL, ANY_SIGNAL, 7_000)
    ready = [replace(signal, model_id=desk.model_id) for signal in made]
    accepted = split(ready, lambda signal: validation.signal_row(signal, "made"))
    # One of a key: the others are the business of other tests.
    keyed = {signal.idempotency_key: signal for signal in accepted if signal.idempotency_key}
    one_of_each = [*keyed.values(), *(s for s in accepted if s.idempotency_key is None)]
    singles, bulk = one_of_each[::5], [s for n, s in enumerate(one_of_each) if n % 5]
    ids = desk.module.store_ai_signals(bulk)
    with desk.landscape.primary.connect() as connection, connection.transaction():
        inside = AITradingIntegration.inside(connection)
        ids += [inside.store_ai_signal(signal) for signal in singles]
    stored = {row["id"]: row for row in dictionaries(desk, "select * from ai_trading_signals")}
    assert len(stored) == len(one_of_each)
    for id_, signal in zip(ids, [*bulk, *singles], strict=True):
        row = stored[id_]
        for name in GOOD_SIGNAL:
            if name == "metadata":
                assert same_json(row[name], signal.metadata)
            elif name != "idempotency_key" or signal.idempotency_key is not None:
                assert row[name] == in_utc(getattr(signal, name)), name


def test_other_generated_records_are_stored_exactly_or_refused(desk: Desk) -> None:
    results = generated(SpectrumResult, GOOD_RESULT, ANY_RESULT, 2_000)
    accepted = split(results, lambda result: validation.spectrum_row(1, result))
    ids = desk.module.store_spectrum_results(desk.model_id, accepted)
    rows = dictionaries(desk, "select * from spectrum_analysis order by id")
    for id_, result, row in zip(ids, accepted, rows, strict=True):
        assert row["id"] == id_
        for name in GOOD_RESULT:
            value = getattr(result, name)
            is_json = name in ("dominant_frequencies", "analysis_data")
            assert same_json(row[name], value) if is_json else row[name] == in_utc(value), name

    models = generated(Model, GOOD_MODEL, ANY_MODEL, 1_000)
    kept = {(m.model_name, m.version): m for m in reversed(split(models, validation.model_row))}
    with desk.landscape.primary.connect() as connection, connection.transaction():
        inside = AITradingIntegration.inside(connection)
        by_id = {inside.register_model(model): model for model in kept.values()}
    for row in dictionaries(desk, "select * from ai_models"):
        if row["id"] in by_id:
            model = by_id.pop(row["id"])
            assert (row["model_name"], row["version"]) == (model.model_name, model.version)
            assert same_json(row["config"], model.config)
    assert by_id == {}


def dictionaries(desk: Desk, statement: LiteralString) -> list[dict[str, Any]]:
    with (
        desk.landscape.primary.connect() as connection,
        connection.cursor(row_factory=dict_row) as cursor,
    ):
        return cursor.execute(statement).fetchall()


# --- the guide ----------------------------------------------------------------------------------


def test_the_guides_examples_run(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    guide = (PROJECT / "docs" / "connect-your-module.md").read_text("utf-8")
    login, *calls = re.findall(r"```sql\n(.*?)```", guide, re.DOTALL)
    server = desk.landscape.primary.parameters()
    address = f"{server['host']}:{server['port']}/{server['dbname']}"
    desk.landscape.on_primary(login)
    try:
        monkeypatch.setenv("PRIMARY_URL", f"postgresql://momentum:change%20me@{address}")
        monkeypatch.setenv("REPLICA_URL", desk.landscape.replica.url)
        names: dict[str, Any] = {}
        for example in re.findall(r"```python\n(.*?)```", guide, re.DOTALL):
            exec(example, names)  # noqa: S102 - ours
        assert names["expired"] == 0
        with psycopg.connect(f"postgresql://momentum:change%20me@{address}") as connection:
            for call in calls:
                connection.execute(call.encode())
    finally:
        desk.landscape.on_primary("drop role momentum")
    assert desk.look(
        "select s.symbol, s.status, p.id = s.trade_plan_id, p.entry_price_target, p.strategy"
        " from ai_trading_signals as s inner join trade_plans as p on s.symbol = p.symbol"
        " order by s.id"
    ) == [
        ("BTCUSD", "EXECUTED", True, Decimal("64250.5"), "ai"),
        ("ETHUSD", "EXECUTED", True, Decimal("2410.5"), "ai"),
    ]


def test_the_guide_names_every_method_and_code() -> None:
    guide = (PROJECT / "docs" / "connect-your-module.md").read_text("utf-8")
    named = set(re.findall(r"`(\w+(?:\(s\))?)", guide)) | set(re.findall(r"\.(\w+)\(", guide))
    text = " ".join(migration.read_text("utf-8") for migration in FOLDER.glob("*.sql"))
    for code in sorted(set(re.findall(r"errcode = '(SM\d+)'", text))):
        assert code in guide
    for name in vars(AITradingIntegration):
        if not name.startswith("_") and name != "inside":
            assert {name, f"{name}(s)", f"{name.removesuffix('s')}(s)"} & named, name
