from __future__ import annotations

from collections import defaultdict
from dataclasses import replace
from datetime import datetime, timedelta
from decimal import Decimal
from random import Random
from typing import Any

import pytest
from demo_worlds import HOUR, START, make_plan
from hypothesis import given, settings
from hypothesis import strategies as st

from runner.client.records import Bar
from runner.demo.books import (
    close_trades,
)
from runner.demo.execution import Exchange
from runner.demo.orders import Kind, Order, Plan, Rules, price_decimals
from runner.demo.patterns import Side

FREE = Rules(
    slippage_bps=Decimal(0), taker_fee_bps=Decimal(0), maker_fee_bps=Decimal(0), reject_share=0.0
)


def make_bar(number: int, *prices: int | str, volume: int | str = 0) -> Bar:
    """The hourly bar ``number`` of (open, high, low, close)."""
    first, high, low, last = (Decimal(price) for price in prices)
    opened_at = START + number * HOUR
    return Bar("TEST", "1h", opened_at, first, high, low, last, Decimal(volume))


def make_exchange(rules: Rules = FREE, decimals: int = 2) -> Exchange:
    return Exchange(rules, {"TEST": decimals}, Random(1))


def run(exchange: Exchange, *bars: Bar) -> list[Order]:
    """Every order, in the order they were placed, after ``bars``."""
    for bar in bars:
        exchange.advance(bar)
    return exchange.drain()


def reasons(orders: list[Order]) -> list[tuple[str, str, object]]:
    return [(order.reason, order.status, order.filled_price) for order in orders]


def state(order: Order) -> tuple[str, object, object]:
    return order.status, order.filled_quantity, order.filled_price


def test_an_order_meets_only_later_bars() -> None:
    exchange = make_exchange()
    at = START + timedelta(minutes=1)
    order = exchange.place("TEST", "BUY", "MARKET", Decimal(1), Decimal(100), at)
    exchange.advance(make_bar(0, 100, 101, 99, 100))
    assert state(order) == ("NEW", 0, None)
    exchange.advance(make_bar(1, 102, 103, 101, 102))
    assert state(order) == ("FILLED", 1, 102)
    assert order.filled_at is not None
    assert order.filled_at > START + HOUR


def test_take_profit_and_the_stop_that_comes_first_in_doubt() -> None:
    exchange = make_exchange()
    exchange.open_plan(make_plan())
    orders = run(exchange, make_bar(0, 100, 100, 100, 100), make_bar(1, 100, 111, 99, 105))
    assert reasons(orders) == [("entry", "FILLED", 100), ("take_profit", "FILLED", 110)]

    exchange = make_exchange()
    exchange.open_plan(make_plan())
    orders = run(exchange, make_bar(0, 100, 100, 100, 100), make_bar(1, 100, 111, 94, 105))
    assert reasons(orders) == [("entry", "FILLED", 100), ("stop_loss", "FILLED", 95)]


def test_a_gap_over_the_stop_fills_at_the_open() -> None:
    exchange = make_exchange()
    exchange.open_plan(make_plan())
    orders = run(exchange, make_bar(0, 100, 100, 100, 100), make_bar(1, 90, 92, 89, 91))
    assert reasons(orders)[1] == ("stop_loss", "FILLED", 90)


def test_a_short_plan_exits_by_time_out() -> None:
    exchange = make_exchange()
    exchange.open_plan(
        make_plan(side="SELL", stop_loss=Decimal(110), take_profit=Decimal(90), hold_bars=1)
    )
    orders = run(exchange, *(make_bar(n, 100 - n, 100 - n, 100 - n, 100 - n) for n in range(3)))
    assert reasons(orders) == [("entry", "FILLED", 100), ("time_out", "FILLED", 98)]
    assert [order.side for order in orders] == ["SELL", "BUY"]


def test_slippage_and_fees_are_basis_points_of_what_was_filled() -> None:
    rules = Rules(slippage_bps=Decimal(10), taker_fee_bps=Decimal(5), reject_share=0.0)
    exchange = make_exchange(rules)
    order = exchange.place("TEST", "SELL", "MARKET", Decimal(2), Decimal(100), START)
    run(exchange, make_bar(0, 100, 100, 100, 100))
    assert order.filled_price == Decimal("99.90")
    assert order.fee == Decimal("0.0999")


def test_an_unfilled_remainder_is_cancelled_with_its_partial_fill() -> None:
    rules = Rules(volume_share=Decimal("0.1"), patience_bars=2, reject_share=0.0)
    exchange = make_exchange(rules)
    order = exchange.place("TEST", "BUY", "LIMIT", Decimal(10), Decimal(100), START)
    exchange.advance(make_bar(0, 101, 102, 99, 101, volume=30))
    assert state(order) == ("PARTIALLY_FILLED", 3, 100)
    exchange.advance(make_bar(1, 101, 102, 101, 101, volume=30))
    assert state(order) == ("CANCELLED", 3, 100)


def test_an_exit_cancels_what_is_left_of_its_entry() -> None:
    exchange = make_exchange(replace(FREE, volume_share=Decimal("0.1")))
    exchange.open_plan(make_plan())
    orders = run(
        exchange,
        make_bar(0, 100, 100, 100, 100, volume=40),
        make_bar(1, 94, 95, 93, 94, volume=20),
        make_bar(2, 94, 95, 93, 94, volume=20),
    )
    entry, exit_ = orders
    assert state(entry) == ("CANCELLED", 4, 100)
    assert state(exit_) == ("FILLED", 4, 94)
    assert exit_.quantity == 4


def test_a_rejected_exit_is_placed_again() -> None:
    exchange = make_exchange()
    exchange.open_plan(make_plan())
    exchange.advance(make_bar(0, 100, 100, 100, 100))
    exchange.rules = Rules(reject_share=1.0)
    exchange.advance(make_bar(1, 94, 95, 93, 94))
    exchange.rules = FREE
    exchange.advance(make_bar(2, 94, 95, 93, 94))
    assert [order.status for order in exchange.drain()] == ["FILLED", "REJECTED", "FILLED"]
    assert exchange.active_plans("TEST") == []


def test_refuses_what_cannot_be() -> None:
    exchange = make_exchange()
    with pytest.raises(ValueError, match="both must be positive"):
        exchange.place("TEST", "BUY", "MARKET", Decimal(0), Decimal(100), START)
    exchange.advance(make_bar(1, 100, 100, 100, 100))
    with pytest.raises(ValueError, match="does not follow"):
        exchange.advance(make_bar(0, 100, 100, 100, 100))


def test_prices_keep_their_symbols_decimals() -> None:
    assert price_decimals([make_bar(0, "1.1", "1.21045", "1", "1.1")]) == {"TEST": 5}
    assert price_decimals([make_bar(0, 40000, 40001, 39999, 40000)]) == {"TEST": 2}


# --- invariants on random markets and random traders -----------------------------------------

sides: st.SearchStrategy[Side] = st.sampled_from(["BUY", "SELL"])
kinds: st.SearchStrategy[Kind] = st.sampled_from(["MARKET", "LIMIT"])
quantities = st.decimals(min_value="0.00000001", max_value=50, places=8)
steps = st.tuples(
    st.integers(-300, 300),  # close, in cents from the open
    st.integers(0, 200),  # how far high and low reach beyond the body
    st.integers(0, 200),
    st.sampled_from([0, 0, 1, 20, 400]),  # volume
    st.lists(st.tuples(st.sampled_from(["plan", "order"]), sides, kinds, quantities), max_size=2),
)


def check(order: Order) -> None:
    """What is true of every order at every time."""
    assert 0 <= order.filled_quantity <= order.quantity
    assert order.price > 0
    assert order.fee >= 0
    match order.status:
        case "FILLED":
            assert order.filled_quantity == order.quantity
        case "PARTIALLY_FILLED":
            assert 0 < order.filled_quantity < order.quantity
        case "NEW" | "REJECTED":
            assert order.filled_quantity == 0
        case "CANCELLED":
            assert order.filled_quantity < order.quantity
    assert (order.filled_at is not None) == (order.filled_quantity > 0)
    if order.filled_at is not None:
        assert order.filled_at > order.created_at
        assert order.filled_price is not None
        assert order.filled_price > 0


def simulate(walk: list[Any], seed: int) -> list[Order]:
    """Random bars and random orders; invariants are checked after each bar."""
    rules = Rules(volume_share=Decimal("0.1"), reject_share=0.1, patience_bars=3)
    exchange = Exchange(rules, {"TEST": 2}, Random(seed))
    orders: dict[Order, datetime | None] = {}
    price = Decimal(100)
    for number, (change, above, below, volume, actions) in enumerate(walk):
        close = max(Decimal(5), price + Decimal(change) / 100)
        high = max(price, close) + Decimal(above) / 100
        low = max(Decimal(1), min(price, close) - Decimal(below) / 100)
        bar = make_bar(number, *map(str, (price, high, low, close)), volume=volume)
        exchange.advance(bar)
        for action, side, kind, quantity in actions:
            sign = 1 if side == "BUY" else -1
            if action == "order":
                exchange.place("TEST", side, kind, quantity, close, bar.closed_at)
            else:
                plan = make_plan(
                    side=side,
                    kind=kind,
                    quantity=quantity,
                    entry_price=close,
                    stop_loss=close - sign * Decimal("1.5"),
                    take_profit=close + sign * Decimal(2),
                    created_at=bar.closed_at,
                )
                exchange.open_plan(plan)
        for order in exchange.drain():
            check(order)
            if order.filled_at is not None and order.filled_at != orders.get(order):
                # A fill happens in the bar that shows it, on bars after the order's creation
                # (an exit comes about within its bar).
                assert bar.opened_at < order.filled_at < bar.closed_at
                assert order.created_at < order.filled_at
                if order.reason in ("entry", "manual"):
                    assert order.created_at <= bar.opened_at
            orders[order] = order.filled_at
        price = close
    return list(orders)


@settings(deadline=None)
@given(st.lists(steps, min_size=5, max_size=60), st.integers(0, 1000))
def test_no_plan_ever_closes_more_than_it_opened(walk: list[Any], seed: int) -> None:
    by_plan: dict[Plan, list[Order]] = defaultdict(list)
    for order in simulate(walk, seed):
        if order.plan is not None:
            by_plan[order.plan].append(order)
    for plan, orders in by_plan.items():
        entry, *exits = orders
        assert entry.side == plan.side
        assert all(order.side != plan.side for order in exits)
        # However often an exit was rejected, only one can be at work.
        at_work = [order for order in exits if order.status != "REJECTED"]
        assert len(at_work) <= 1
        assert all(order.quantity == entry.filled_quantity for order in exits)
        assert all(not entry.is_open for _ in exits)
        assert all(order.created_at > (entry.filled_at or order.created_at) for order in exits)


def paid(order: Order, quantity: Decimal) -> Decimal:
    """Cash that ``quantity`` of what an order filled has brought in, after its fee."""
    assert order.filled_price is not None
    value = quantity * order.filled_price
    fee = order.fee * quantity / order.filled_quantity
    return (value if order.side == "SELL" else -value) - fee


@settings(deadline=None)
@given(st.lists(steps, min_size=5, max_size=60), st.integers(0, 1000))
def test_trades_and_open_positions_reconcile_with_the_fills(walk: list[Any], seed: int) -> None:
    orders = [order for order in simulate(walk, seed) if order.filled_quantity]
    trades, still_open = close_trades(orders)

    used: dict[Order, Decimal] = defaultdict(Decimal)
    for trade in trades:
        assert trade.quantity > 0
        assert trade.opening.side != trade.closing.side
        assert (trade.opening.filled_at or START) <= (trade.closing.filled_at or START)
        used[trade.opening] += trade.quantity
        used[trade.closing] += trade.quantity
    for order, quantity in still_open:
        used[order] += quantity
    assert used == {order: order.filled_quantity for order in orders}
    assert len({order.side for order, _ in still_open}) <= 1

    # Cash paid and received is the trades' profit and what the open positions have cost.
    cash = sum((paid(order, order.filled_quantity) for order in orders), Decimal(0))
    tied_up = sum((paid(order, quantity) for order, quantity in still_open), Decimal(0))
    profit = sum((trade.net_profit for trade in trades), Decimal(0))
    assert abs(cash - tied_up - profit) <= Decimal("1e-7") * (len(orders) + 1)


@settings(deadline=None, max_examples=20)
@given(st.lists(steps, min_size=5, max_size=40), st.integers(0, 1000))
def test_the_same_seed_gives_the_same_orders(walk: list[Any], seed: int) -> None:
    def facts() -> list[tuple[Any, ...]]:
        return [
            (o.number, o.status, o.filled_quantity, o.filled_price, o.fee, o.filled_at)
            for o in simulate(walk, seed)
        ]

    assert facts() == facts()


def test_flatten_leaves_nothing_open() -> None:
    exchange = make_exchange(Rules(volume_share=Decimal("0.1"), reject_share=0.0))
    exchange.open_plan(make_plan())
    exchange.place("TEST", "SELL", "MARKET", Decimal(3), Decimal(100), START)
    bar = make_bar(0, 100, 101, 99, 100, volume=110)
    exchange.advance(bar)
    exchange.flatten(bar)
    orders = exchange.drain()
    assert not any(order.is_open for order in orders)
    assert close_trades(orders)[1] == []
