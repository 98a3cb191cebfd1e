from __future__ import annotations

from collections import defaultdict
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from random import Random
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from runner.client.records import Bar
from runner.demo.books import (
    FINANCING_FEE,
    ClosedTrade,
    close_trades,
    daily_stats,
    financing_fees,
)
from runner.demo.execution import Exchange, Kind, Order, Plan, Rules, price_decimals
from runner.demo.patterns import Side

STARTED_AT = datetime(2025, 1, 1, tzinfo=UTC)
HOUR = timedelta(hours=1)
FREE = Rules(
    slippage_bps=Decimal(0), taker_fee_bps=Decimal(0), maker_fee_bps=Decimal(0), reject_share=0.0
)


def make_bar(number: int, *prices: int | str, volume: int | str = 0) -> Bar:
    """The hourly bar ``number`` of (open, high, low, close)."""
    first, high, low, last = (Decimal(price) for price in prices)
    opened_at = STARTED_AT + number * HOUR
    return Bar("TEST", "1h", opened_at, first, high, low, last, Decimal(volume))


def make_exchange(rules: Rules = FREE, decimals: int = 2) -> Exchange:
    return Exchange(rules, {"TEST": decimals}, Random(1))


def make_plan(**given: Any) -> Plan:
    values: dict[str, Any] = {
        "symbol": "TEST",
        "timeframe": "1h",
        "strategy": "breakout",
        "side": "BUY",
        "kind": "MARKET",
        "quantity": Decimal(10),
        "entry_price": Decimal(100),
        "stop_loss": Decimal(95),
        "take_profit": Decimal(110),
        "hold_bars": 5,
        "created_at": STARTED_AT,
    }
    return Plan(**(values | given))


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
    at = STARTED_AT + timedelta(minutes=1)
    order = exchange.place("TEST", "BUY", "MARKET", Decimal(1), Decimal(100), at)
    exchange.advance(make_bar(0, 100, 101, 99, 100))
    assert state(order) == ("NEW", 0, None)
    exchange.advance(make_bar(1, 102, 103, 101, 102))
    assert state(order) == ("FILLED", 1, 102)
    assert order.filled_at is not None
    assert order.filled_at > STARTED_AT + HOUR


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
    order = exchange.place("TEST", "SELL", "MARKET", Decimal(2), Decimal(100), STARTED_AT)
    run(exchange, make_bar(0, 100, 100, 100, 100))
    assert order.filled_price == Decimal("99.90")
    assert order.fee == Decimal("0.0999")


def test_an_unfilled_remainder_is_cancelled_with_its_partial_fill() -> None:
    rules = Rules(volume_share=Decimal("0.1"), patience_bars=2, reject_share=0.0)
    exchange = make_exchange(rules)
    order = exchange.place("TEST", "BUY", "LIMIT", Decimal(10), Decimal(100), STARTED_AT)
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
        exchange.place("TEST", "BUY", "MARKET", Decimal(0), Decimal(100), STARTED_AT)
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
        assert (trade.opening.filled_at or STARTED_AT) <= (trade.closing.filled_at or STARTED_AT)
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
    exchange.place("TEST", "SELL", "MARKET", Decimal(3), Decimal(100), STARTED_AT)
    bar = make_bar(0, 100, 101, 99, 100, volume=110)
    exchange.advance(bar)
    exchange.flatten(bar)
    orders = exchange.drain()
    assert not any(order.is_open for order in orders)
    assert close_trades(orders)[1] == []


# --- the books -------------------------------------------------------------------------------


def filled(
    number: int, side: Side, quantity: int, price: int, *, plan: Plan | None = None, fee: int = 0
) -> Order:
    """An order that was filled in the hour ``number``."""
    return Order(
        number=number,
        symbol="TEST",
        side=side,
        kind="MARKET",
        reason="manual" if plan is None else "entry",
        quantity=Decimal(quantity),
        price=Decimal(price),
        created_at=STARTED_AT,
        plan=plan,
        status="FILLED",
        filled_quantity=Decimal(quantity),
        filled_value=Decimal(quantity * price),
        fee=Decimal(fee),
        filled_at=STARTED_AT + number * HOUR,
    )


def facts(trades: list[ClosedTrade]) -> list[tuple[int, int, Decimal, Decimal]]:
    return [(t.opening.number, t.closing.number, t.quantity, t.net_profit) for t in trades]


def test_fills_are_matched_first_in_first_out_and_fees_pro_rata() -> None:
    orders = [
        filled(1, "BUY", 10, 100, fee=10),
        filled(2, "BUY", 10, 110),
        filled(3, "SELL", 15, 120, fee=15),
    ]
    trades, still_open = close_trades(orders)
    assert facts(trades) == [(1, 3, Decimal(10), Decimal(180)), (2, 3, Decimal(5), Decimal(45))]
    assert still_open == [(orders[1], Decimal(5))]


def test_a_position_turns_over() -> None:
    trades, still_open = close_trades([filled(1, "BUY", 5, 100), filled(2, "SELL", 8, 90)])
    assert facts(trades) == [(1, 2, Decimal(5), Decimal(-50))]
    assert [(order.number, quantity) for order, quantity in still_open] == [(2, Decimal(3))]


def test_a_plan_is_matched_within_itself_first_and_its_rest_with_the_symbol() -> None:
    plan = make_plan()
    orders = [
        filled(1, "BUY", 10, 90),
        filled(2, "BUY", 10, 100, plan=plan),
        filled(3, "SELL", 8, 110, plan=plan),
        filled(4, "SELL", 11, 120),
    ]
    trades, still_open = close_trades(orders)
    assert facts(trades) == [
        (2, 3, Decimal(8), Decimal(80)),
        (1, 4, Decimal(10), Decimal(300)),
        (2, 4, Decimal(1), Decimal(20)),
    ]
    assert still_open == [(orders[1], Decimal(1))]


def test_days_are_those_of_the_closing_fill_and_some_pay_for_financing() -> None:
    orders = [
        filled(1, "BUY", 1, 100),
        filled(30, "SELL", 1, 110),
        filled(31, "BUY", 1, 100),
        filled(32, "SELL", 1, 100),
        filled(33, "BUY", 1, 100),
        filled(34, "SELL", 1, 95),
    ]
    days = [date(2025, 1, 1), date(2025, 1, 15), date(2025, 1, 16)]
    stats = daily_stats(close_trades(orders)[0], days)
    assert [(d.date.day, d.net_profit, d.total_trades) for d in stats] == [
        (1, 0, 0),
        (2, 5, 3),
        (15, -FINANCING_FEE, 0),
        (16, 0, 0),
    ]
    assert (stats[1].winning_trades, stats[1].losing_trades) == (1, 1)


def test_financing_is_charged_once_a_month_on_a_day_of_trading() -> None:
    days = [date(2025, 1, 14), date(2025, 1, 16), date(2025, 1, 17), date(2025, 3, 3)]
    assert financing_fees(days) == {date(2025, 1, 16): FINANCING_FEE}
