"""An exchange in miniature: plans and orders in, fills from later bars out. No database.

An order meets only bars that open at or after its creation.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import ROUND_DOWN, Decimal
from random import Random

from runner.client.records import Bar
from runner.demo.orders import TICK, ZERO, Kind, Order, Plan, Reason, Rules, opposite
from runner.demo.patterns import Side

_BASIS_POINT = Decimal("1e-4")
_LONGEST_LATENCY = timedelta(seconds=2)


@dataclass(slots=True, eq=False)
class _Position:
    """A plan at work: its entry, its exit once there is one, and the bars since its first fill."""

    plan: Plan
    entry: Order
    exit: Order | None = None
    bars_held: int = 0

    @property
    def is_over(self) -> bool:
        if self.exit is not None:
            return self.exit.status == "FILLED"
        return not self.entry.is_open and not self.entry.filled_quantity


@dataclass(slots=True)
class _Liquidity:
    """The volume of a bar that the account may still take; None is without limit."""

    left: Decimal | None

    def take(self, quantity: Decimal) -> Decimal:
        if self.left is None:
            return quantity
        taken = min(quantity, self.left)
        self.left -= taken
        return taken


@dataclass(frozen=True, slots=True)
class _Trigger:
    """The reason, price and time within a bar at which a position is closed."""

    reason: Reason
    kind: Kind
    price: Decimal
    is_at_open: bool


class _Book:
    """The open plans and orders of one symbol."""

    def __init__(self) -> None:
        self.positions: list[_Position] = []
        self.orders: list[Order] = []
        self.inventory = ZERO
        self.known_until: datetime | None = None


class Exchange:
    """Executes plans and orders on bars, one bar of a symbol after the other.

    Args:
        rules: costs and limits.
        decimals: decimals of each symbol's prices (8 for a symbol that is not in it).
        random: the source of rejects and of the moments within a bar.
    """

    def __init__(self, rules: Rules, decimals: Mapping[str, int], random: Random) -> None:
        self.rules = rules
        self.decimals = decimals
        self._random = random
        self._books: dict[str, _Book] = {}
        self._orders = 0
        self._changed: dict[Order, None] = {}

    def active_plans(self, symbol: str) -> list[Plan]:
        """Plans whose position is not closed yet."""
        return [position.plan for position in self._book(symbol).positions]

    def inventory(self, symbol: str) -> Decimal:
        """Quantity bought by orders without a plan, less the quantity that they sold."""
        return self._book(symbol).inventory

    def has_manual_order(self, symbol: str) -> bool:
        """Whether an order without a plan is open."""
        return any(order.plan is None for order in self._book(symbol).orders)

    def round_price(self, symbol: str, price: Decimal) -> Decimal:
        """``price`` as the symbol is quoted: at least one tick."""
        tick = Decimal(1).scaleb(-self.decimals.get(symbol, 8))
        return max(tick, price.quantize(tick))

    def open_plan(self, plan: Plan) -> Order:
        """Place the entry order of ``plan``; its exits follow by themselves."""
        entry = self._place(
            plan.symbol,
            plan.side,
            plan.kind,
            "entry",
            plan.quantity,
            plan.entry_price,
            plan.created_at,
            plan,
        )
        if entry.is_open:
            self._book(plan.symbol).positions.append(_Position(plan, entry))
        return entry

    def place(
        self, symbol: str, side: Side, kind: Kind, quantity: Decimal, price: Decimal, at: datetime
    ) -> Order:
        """Place a trader's order without a plan."""
        return self._place(symbol, side, kind, "manual", quantity, price, at)

    def advance(self, bar: Bar) -> None:
        """Let a closed bar act on the open orders and positions of its symbol.

        Raises:
            ValueError: the bar overlaps or precedes the symbol's last one.
        """
        book = self._book(bar.symbol)
        if book.known_until is not None and bar.opened_at < book.known_until:
            raise ValueError(f"{bar.symbol}: the bar of {bar.opened_at} does not follow the last")
        book.known_until = bar.closed_at
        liquidity = _Liquidity(
            (bar.volume * self.rules.volume_share).quantize(TICK, ROUND_DOWN)
            if bar.volume
            else None
        )
        working = [order for order in book.orders if order.created_at <= bar.opened_at]
        # Exits come first: they cancel the rest of their entry, so no plan sells more than it
        # bought, and new entries never use up their volume.
        for position in book.positions:
            self._manage(position, bar, liquidity)
        for order in working:
            if order.is_open:
                self._work(order, bar, liquidity)
        book.orders = [order for order in book.orders if order.is_open]
        book.positions = [position for position in book.positions if not position.is_over]

    def flatten(self, bar: Bar) -> None:
        """Close all of a symbol at the bar's close, whatever its volume, and cancel the rest."""
        book, at = self._book(bar.symbol), bar.closed_at
        fee_bps = self.rules.taker_fee_bps
        for order in book.orders:
            if order.reason in ("entry", "manual"):
                self._cancel(order)
        for position in book.positions:
            closing = position.exit
            if closing is None and position.entry.filled_quantity:
                closing = self._close(
                    position, "flatten", "MARKET", bar.close, at, may_reject=False
                )
            if closing is not None:
                self._fill(closing, closing.remaining, bar.close, self._soon(at), fee_bps)
        if book.inventory:
            side: Side = "SELL" if book.inventory > 0 else "BUY"
            quantity = abs(book.inventory)
            order = self._place(
                bar.symbol, side, "MARKET", "flatten", quantity, bar.close, at, may_reject=False
            )
            self._fill(order, quantity, bar.close, self._soon(at), fee_bps)
        book.orders.clear()
        book.positions.clear()

    def drain(self) -> list[Order]:
        """Orders that are new or changed since the last call, in the order they were placed."""
        changed = sorted(self._changed, key=lambda order: order.number)
        self._changed.clear()
        return changed

    def _book(self, symbol: str) -> _Book:
        return self._books.setdefault(symbol, _Book())

    def _place(
        self,
        symbol: str,
        side: Side,
        kind: Kind,
        reason: Reason,
        quantity: Decimal,
        price: Decimal,
        at: datetime,
        plan: Plan | None = None,
        *,
        may_reject: bool = True,
    ) -> Order:
        quantity = quantity.quantize(TICK)
        if quantity <= 0 or price <= 0:
            raise ValueError(f"{symbol}: an order for {quantity} at {price}; both must be positive")
        self._orders += 1
        order = Order(
            number=self._orders,
            symbol=symbol,
            side=side,
            kind=kind,
            reason=reason,
            quantity=quantity,
            price=self.round_price(symbol, price),
            created_at=at,
            plan=plan,
        )
        self._changed[order] = None
        if may_reject and self._random.random() < self.rules.reject_share:
            order.status = "REJECTED"
        else:
            self._book(symbol).orders.append(order)
        return order

    def _manage(self, position: _Position, bar: Bar, liquidity: _Liquidity) -> None:
        """Close a position whose entry was filled before this bar, if the bar gives a reason to."""
        if position.exit is not None or not position.entry.filled_quantity:
            return
        position.bars_held += 1
        trigger = _exit_trigger(position.plan, bar, position.bars_held)
        if trigger is None:
            return
        at = self._soon(bar.opened_at) if trigger.is_at_open else self._within(bar)
        order = self._close(position, trigger.reason, trigger.kind, trigger.price, at)
        if order.is_open:
            is_taker = trigger.kind != "TAKE_PROFIT"
            price = self._slip(order, trigger.price) if is_taker else trigger.price
            fee_bps = self.rules.taker_fee_bps if is_taker else self.rules.maker_fee_bps
            self._fill(order, liquidity.take(order.remaining), price, self._soon(at), fee_bps)

    def _close(
        self,
        position: _Position,
        reason: Reason,
        kind: Kind,
        price: Decimal,
        at: datetime,
        *,
        may_reject: bool = True,
    ) -> Order:
        plan = position.plan
        self._cancel(position.entry)
        order = self._place(
            plan.symbol,
            opposite(plan.side),
            kind,
            reason,
            position.entry.filled_quantity,
            price,
            at,
            plan,
            may_reject=may_reject,
        )
        if order.is_open:
            position.exit = order
        return order

    def _work(self, order: Order, bar: Bar, liquidity: _Liquidity) -> None:
        """Fill an order that was open before the bar, as far as price and volume allow."""
        order.bars_waited += 1
        if order.kind != "LIMIT":
            self._fill(
                order,
                liquidity.take(order.remaining),
                self._slip(order, bar.open),
                self._soon(bar.opened_at),
                self.rules.taker_fee_bps,
            )
        elif _is_touched(order, bar):
            # A limit that the market jumped over fills at the open, which is better.
            is_jumped = bar.open <= order.price if order.side == "BUY" else bar.open >= order.price
            self._fill(
                order,
                liquidity.take(order.remaining),
                self.round_price(bar.symbol, bar.open) if is_jumped else order.price,
                self._soon(bar.opened_at) if is_jumped else self._within(bar),
                self.rules.maker_fee_bps,
            )
        is_exit = order.plan is not None and order.reason != "entry"
        if order.is_open and not is_exit and order.bars_waited >= self.rules.patience_bars:
            self._cancel(order)

    def _fill(
        self, order: Order, quantity: Decimal, price: Decimal, at: datetime, fee_bps: Decimal
    ) -> None:
        if not quantity:
            return
        price = self.round_price(order.symbol, price)
        value = quantity * price
        order.filled_quantity += quantity
        order.filled_value += value
        order.fee += (value * fee_bps * _BASIS_POINT).quantize(TICK)
        order.filled_at = at
        order.status = "PARTIALLY_FILLED" if order.remaining else "FILLED"
        if order.plan is None:
            self._book(order.symbol).inventory += quantity if order.side == "BUY" else -quantity
        self._changed[order] = None

    def _cancel(self, order: Order) -> None:
        if order.is_open:
            order.status = "CANCELLED"
            self._changed[order] = None

    def _slip(self, order: Order, price: Decimal) -> Decimal:
        slippage = self.rules.slippage_bps * _BASIS_POINT
        return price * (1 + slippage if order.side == "BUY" else 1 - slippage)

    def _soon(self, moment: datetime) -> datetime:
        """A moment within the two seconds that an order takes to get through."""
        return moment + (0.05 + 0.9 * self._random.random()) * _LONGEST_LATENCY

    def _within(self, bar: Bar) -> datetime:
        """A moment within a bar that touched a price, leaving time to get through."""
        share = 0.05 + 0.85 * self._random.random()
        return bar.opened_at + share * (bar.closed_at - bar.opened_at)


def _is_touched(order: Order, bar: Bar) -> bool:
    return bar.low <= order.price if order.side == "BUY" else bar.high >= order.price


def _exit_trigger(plan: Plan, bar: Bar, bars_held: int) -> _Trigger | None:
    """The close of a position in ``bar``; if it touches both barriers, the stop came first."""
    sign = 1 if plan.side == "BUY" else -1
    worst, best = (bar.low, bar.high) if sign > 0 else (bar.high, bar.low)
    # Barriers that the market jumped over are filled at the open.
    if sign * (bar.open - plan.stop_loss) <= 0:
        return _Trigger("stop_loss", "STOP", bar.open, is_at_open=True)
    if sign * (bar.open - plan.take_profit) >= 0:
        return _Trigger("take_profit", "TAKE_PROFIT", bar.open, is_at_open=True)
    if bars_held > plan.hold_bars:
        return _Trigger("time_out", "MARKET", bar.open, is_at_open=True)
    if sign * (worst - plan.stop_loss) <= 0:
        return _Trigger("stop_loss", "STOP", plan.stop_loss, is_at_open=False)
    if sign * (best - plan.take_profit) >= 0:
        return _Trigger("take_profit", "TAKE_PROFIT", plan.take_profit, is_at_open=False)
    return None
