"""The pools of the data access layer, and its asyncio half."""

from __future__ import annotations

import asyncio
import inspect
from dataclasses import replace
from datetime import timedelta
from typing import Any, LiteralString

import pytest
from ai_desk import AT, BAR, MODEL, SIGNAL, Desk
from psycopg_pool import PoolTimeout

from runner.client import (
    AITradingIntegration,
    AsyncAITradingIntegration,
    DuplicateRecordError,
    HoldSignalError,
    InvalidRecordError,
    NotStoredError,
)
from runner.client.pools import ANALYTICS, TRADING, AsyncPools, Pools
from runner.client.records import Episode, Generation, SpectrumResult
from runner.errors import UsageError

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
        told = getattr(AITradingIntegration, name)
        awaited = getattr(AsyncAITradingIntegration, name)
        assert told.__doc__
        assert awaited.__doc__
        assert awaited.__name__ == name
        parameters = [[*inspect.signature(each).parameters] for each in (told, awaited)]
        assert parameters[0] == parameters[1]
