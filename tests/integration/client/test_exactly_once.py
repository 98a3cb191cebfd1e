"""The data access layer on real servers: exactly once, whatever happens meanwhile."""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Any

import psycopg
import pytest
from ai_desk import AT, BAR, MODEL, SIGNAL, Desk
from embedded_servers import folder_for_all, kill

from runner.client import (
    AITradingIntegration,
    IdempotencyConflictError,
    NotStoredError,
    OutcomeUnknownError,
    StoreError,
    signals,
)
from runner.client.efforts import perform
from runner.client.operation import Operation
from runner.client.pools import TRADING, Pools
from runner.client.records import Episode, PlatformKey, SpectrumResult
from runner.demo.embedded import EmbeddedPair
from runner.demo.platform import create_platform
from runner.deploy.deploy import deploy
from runner.errors import UsageError
from runner.servers.database import Connection, Database

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

    monkeypatch.setattr(signals, "perform", lose_the_first_answers)
    result = store(desk)
    count = 2 if kind in ("signals", "episodes") else 1
    assert desk.look(f"select count(*) from {table}") == [(count,)]
    if kind != "bars":
        assert [result] == [[*lost.values()][-1]]


@pytest.mark.parametrize("many", [False, True])
def test_an_unknown_outcome_is_said_to_be_one(
    desk: Desk, many: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    def lose_every_answer(connection: Connection, *arguments: Any) -> Any:
        perform(connection, *arguments)
        connection.close()
        raise psycopg.OperationalError("server closed the connection unexpectedly")

    desk.pools.trading.wait()
    hurried = AITradingIntegration(desk.pools, deadline_seconds=0.3)
    monkeypatch.setattr(signals, "perform", lose_every_answer)
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

            def convert(client: int) -> dict[int, PlatformKey]:
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
