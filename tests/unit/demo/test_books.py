"""The demo's books: fills are matched, and days add up."""

from __future__ import annotations

from datetime import date
from decimal import Decimal

from demo_worlds import HOUR, START, make_plan

from runner.demo.books import (
    FINANCING_FEE,
    ClosedTrade,
    close_trades,
    daily_stats,
    financing_fees,
)
from runner.demo.orders import Order, Plan
from runner.demo.patterns import Side


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
        created_at=START,
        plan=plan,
        status="FILLED",
        filled_quantity=Decimal(quantity),
        filled_value=Decimal(quantity * price),
        fee=Decimal(fee),
        filled_at=START + number * HOUR,
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
