"""The platform's own books: fills matched to closed trades, and trades summed by day.

They compute the rows of ``performance.trades`` a second time, independent of its SQL: both must
agree to the last decimal, so the conventions here are the marts' own.
"""

from __future__ import annotations

from collections import defaultdict, deque
from collections.abc import Hashable, Iterable, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from decimal import ROUND_HALF_UP, Decimal

from runner.demo.orders import TICK, ZERO, Order

# The broker's charge on the first trading day from the 15th of a month on. No order shows it, so
# the reconciliation of the marts has a difference to find.
FINANCING_FEE = Decimal("12.50")
_FINANCING_DAY = 15


@dataclass(frozen=True, slots=True)
class ClosedTrade:
    """A quantity that one order opened and another closed; profits in the quote currency."""

    opening: Order
    closing: Order
    quantity: Decimal
    fees: Decimal
    net_profit: Decimal

    @property
    def booked_on(self) -> date:
        """UTC day of the closing order's last fill."""
        return _filled_at(self.closing).date()


@dataclass(frozen=True, slots=True)
class DayStats:
    """A day of the account: closed trades only, less the day's financing fee."""

    date: date
    net_profit: Decimal
    total_trades: int
    winning_trades: int
    losing_trades: int
    financing_fee: Decimal


@dataclass(slots=True)
class _Lot:
    """The part of an order's fill that no trade has used up."""

    order: Order
    quantity: Decimal


def close_trades(orders: Iterable[Order]) -> tuple[list[ClosedTrade], list[tuple[Order, Decimal]]]:
    """Match fills: first in, first out within each plan, then the rest within each symbol.

    An order counts in its final state: all of its quantity at its average price, at the time of
    its last fill. Orders filled at the same moment are taken in the order in which they were
    placed.

    Returns:
        The trades, and the quantities that stay open, each with the order that opened it.
    """
    by_plan: dict[Hashable, list[_Lot]] = defaultdict(list)
    without_plan: list[_Lot] = []
    for order in orders:
        if order.filled_quantity:
            lot = _Lot(order, order.filled_quantity)
            (by_plan[order.plan] if order.plan is not None else without_plan).append(lot)
    trades: list[ClosedTrade] = []
    by_symbol: dict[Hashable, list[_Lot]] = defaultdict(list)
    for lots in [*by_plan.values(), without_plan]:
        left = lots if lots is without_plan else _match(lots, trades)
        for lot in left:
            by_symbol[lot.order.symbol].append(lot)
    still_open = [lot for lots in by_symbol.values() for lot in _match(lots, trades)]
    return trades, [(lot.order, lot.quantity) for lot in still_open]


def _match(lots: Iterable[_Lot], trades: list[ClosedTrade]) -> list[_Lot]:
    """Match ``lots`` first in, first out; append to ``trades``; return the open quantities."""
    waiting: deque[_Lot] = deque()
    for lot in sorted(lots, key=lambda lot: (_filled_at(lot.order), lot.order.number)):
        while lot.quantity and waiting and waiting[0].order.side != lot.order.side:
            first = waiting[0]
            quantity = min(first.quantity, lot.quantity)
            trades.append(_trade(first, lot, quantity))
            first.quantity -= quantity
            lot.quantity -= quantity
            if not first.quantity:
                waiting.popleft()
        if lot.quantity:
            waiting.append(lot)
    return list(waiting)


def _trade(opening: _Lot, closing: _Lot, quantity: Decimal) -> ClosedTrade:
    entry, exit_ = opening.order.filled_price, closing.order.filled_price
    if entry is None or exit_ is None:
        raise ValueError("an order without a fill cannot be part of a trade")
    sign = 1 if opening.order.side == "BUY" else -1
    fees = _fee_share(opening, quantity) + _fee_share(closing, quantity)
    net_profit = _rounded(sign * (exit_ - entry) * quantity - fees)
    return ClosedTrade(opening.order, closing.order, quantity, fees, net_profit)


def _fee_share(lot: _Lot, quantity: Decimal) -> Decimal:
    """The next ``quantity``'s part of the fee; the parts of an order add up to its fee exactly."""
    order = lot.order
    before = order.filled_quantity - lot.quantity
    return _rounded(order.fee * (before + quantity) / order.filled_quantity) - _rounded(
        order.fee * before / order.filled_quantity
    )


def _rounded(amount: Decimal) -> Decimal:
    # PostgreSQL rounds halves away from zero.
    return amount.quantize(TICK, ROUND_HALF_UP)


def daily_stats(trades: Iterable[ClosedTrade], days: Iterable[date]) -> list[DayStats]:
    """Statistics of every one of ``days`` and of every day that closed a trade, in order.

    A trade with neither profit nor loss counts in the total only.
    """
    profits: dict[date, list[Decimal]] = {day: [] for day in days}
    for trade in trades:
        profits.setdefault(trade.booked_on, []).append(trade.net_profit)
    ordered = sorted(profits)
    fees = financing_fees(ordered)
    return [
        DayStats(
            date=day,
            net_profit=sum(profits[day], start=ZERO) - fees.get(day, ZERO),
            total_trades=len(profits[day]),
            winning_trades=sum(profit > 0 for profit in profits[day]),
            losing_trades=sum(profit < 0 for profit in profits[day]),
            financing_fee=fees.get(day, ZERO),
        )
        for day in ordered
    ]


def financing_fees(days: Sequence[date]) -> dict[date, Decimal]:
    """Fee of each month's first day from the 15th on, of ``days`` in order."""
    fees: dict[date, Decimal] = {}
    charged: set[tuple[int, int]] = set()
    for day in days:
        month = (day.year, day.month)
        if day.day >= _FINANCING_DAY and month not in charged:
            charged.add(month)
            fees[day] = FINANCING_FEE
    return fees


def _filled_at(order: Order) -> datetime:
    if order.filled_at is None:
        raise ValueError(f"order {order.number} has no fill")
    return order.filled_at
