"""What tests of the API share: an AI module's desk on a deployed platform, and rows for it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any, LiteralString

import pytest
from landscapes import Landscape, drop_landscape, make_landscape
from psycopg.rows import dict_row

from runner.client import (
    AITradingIntegration,
)
from runner.client.pools import Pools
from runner.client.records import Bar, Model, Signal
from runner.demo.embedded import EmbeddedPair
from runner.servers.database import Connection

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


@pytest.fixture
def module(shared: Landscape) -> Iterator[AITradingIntegration]:
    """The API of a module that has no model yet."""
    empty(shared)
    with Pools(shared.primary, shared.replica) as pools:
        yield AITradingIntegration(pools, deadline_seconds=10)


@pytest.fixture
def primary(shared: Landscape) -> Iterator[Connection]:
    """A transaction on the shared primary, taken back afterwards, with a model 1."""
    with shared.primary.connect() as connection:
        connection.execute(
            "insert into ai_models (model_type, model_name, version)"
            " values ('sparse_spectrum', 'first', '1')"
        )
        yield connection
        connection.rollback()


def dictionaries(desk: Desk, statement: LiteralString) -> list[dict[str, Any]]:
    with (
        desk.landscape.primary.connect() as connection,
        connection.cursor(row_factory=dict_row) as cursor,
    ):
        return cursor.execute(statement).fetchall()
