"""A platform with so many orders that proofs tell, and statements of its trading."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from landscapes import Landscape
from proving import arrived

from runner.advice.advice import Advice, Finding

ORDERS = 100_000
RANGE = (
    "select count(*), sum(quantity) from public.trading_orders"
    " where filled_at >= $1 and filled_at < $2"
)
SYMBOL = (
    "select id, price from trading_orders as o where o.symbol = $1 order by created_at limit $2"
)
UPDATE = "update trading_orders set price = price + $1 where trade_plan_id = $2 and quantity = $3"
JOIN = (
    "select o.id, p.strategy from public.trade_plans as p"
    " inner join trading_orders o on o.trade_plan_id = p.id where p.id = $1"
)
ALL = (RANGE, SYMBOL, UPDATE, JOIN)
KEY = "public.trading_orders.trading_orders_trade_plan_id_fkey"


@pytest.fixture(scope="module")
def traded(advised: Landscape) -> Landscape:
    """A platform with many orders, of a plan each 25, and plans without an order."""
    advised.on_primary(
        "insert into trade_plans (id, strategy, symbol, entry_price_target, stop_loss_price,"
        " take_profit_1_price) select 10000 + n, 'grid', 'S' || n % 50, 10, 9, 12"
        " from generate_series(1, 5000) as n;"
        "insert into trading_orders (client_order_id, trade_plan_id, created_at, filled_at, symbol,"
        " order_type, side, status, price, quantity, created_by)"
        " select 'busy-' || n, 10001 + n % 4000, '2026-01-01Z'::timestamptz + n * interval '1 min',"
        " '2026-01-01Z'::timestamptz + n * interval '1 min', 'S' || n % 50, 'limit', 'BUY',"
        f" 'FILLED', n, 1, 'grid' from generate_series(1, {ORDERS}) as n;"
        "drop index trading_orders_plan"
    )
    with advised.primary.connect(autocommit=True) as connection:
        connection.execute("vacuum (analyze) trading_orders")
    arrived(advised)
    return advised


@pytest.fixture
def busy(traded: Landscape, observed: Landscape) -> Landscape:
    """The same without a sample."""
    assert observed is traded
    return traded


@contextmanager
def index(landscape: Landscape, statement: str, *, workers: int = 2) -> Iterator[None]:
    """An index named ``planted``."""
    landscape.on_primary(f"set local max_parallel_maintenance_workers = {workers}; {statement}")
    try:
        yield
    finally:
        landscape.on_primary("drop index if exists planted")


def found(told: Advice, where: str) -> Finding:
    (finding,) = [each for each in told.findings if each.where == where]
    return finding
