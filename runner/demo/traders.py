"""Who trades on the platform: its strategies, its traders by hand, and plans made from signals."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from decimal import ROUND_DOWN, Decimal
from random import Random
from typing import Any

from runner.client.records import Bar, Model, Signal, timeframe_length
from runner.demo.execution import Exchange
from runner.demo.history import History, Series
from runner.demo.orders import TICK, Kind, Order, Plan, Rules
from runner.demo.patterns import Pattern, PatternType, Side, detect

CAPITAL = Decimal(100_000)

_LONGEST_HESITATION = timedelta(minutes=45)


@dataclass(frozen=True, slots=True)
class Strategy:
    """How plans of one strategy are made.

    ``capital_share`` is the part of the capital that a plan's entry is worth; ``stop`` and
    ``take`` are distances of the barriers and ``pullback`` that of a limit entry, in multiples of
    the ATR; ``chance`` is the part of fitting occasions that become a plan.
    """

    name: str
    kind: Kind
    capital_share: Decimal
    stop: float
    take: float
    hold_bars: int
    chance: float
    pullback: float = 0.0


AI = Strategy("ai", "MARKET", Decimal("0.05"), 1.5, 2.0, 24, 0.6)
_TREND = Strategy("trend_following", "MARKET", Decimal("0.05"), 2.0, 4.0, 48, 0.5)
STRATEGIES: Mapping[PatternType, Strategy] = {
    "breakout": Strategy("breakout", "MARKET", Decimal("0.05"), 1.5, 3.0, 24, 0.6),
    "engulfing": Strategy("reversal", "LIMIT", Decimal("0.05"), 1.5, 1.5, 12, 0.5, 0.3),
    "ma_cross": _TREND,
    "mean_reversion": Strategy("mean_reversion", "LIMIT", Decimal("0.05"), 2.0, 1.5, 18, 0.6, 0.2),
    "pullback": _TREND,
}


@dataclass(frozen=True, slots=True)
class Habits:
    """Settings of the traders who act on their own.

    ``whim_chance`` and ``close_chance`` are per bar of a symbol, ``follow_chance`` per signal that
    became no plan; ``capital_share`` is the part of the capital that a new manual order is worth.
    """

    least_confidence: float = 0.5
    whim_chance: float = 0.006
    close_chance: float = 0.06
    follow_chance: float = 0.04
    capital_share: Decimal = Decimal("0.04")


@dataclass(frozen=True, slots=True)
class _Intent:
    """An order that a trader will place at ``due``."""

    due: datetime
    symbol: str
    side: Side
    kind: Kind
    share_of_inventory: Decimal | None = None


@dataclass(slots=True)
class Activity:
    """Patterns, plans and orders since the last call, each in the order it happened."""

    patterns: list[Pattern] = field(default_factory=list)
    plans: list[Plan] = field(default_factory=list)
    orders: list[Order] = field(default_factory=list)


class Desk:
    """The platform's side of a market: detects, plans, trades by hand, and executes.

    Args:
        decimals: decimals of each symbol's prices.
        random: the one source of chance.
    """

    def __init__(
        self,
        decimals: Mapping[str, int],
        random: Random,
        rules: Rules | None = None,
        habits: Habits | None = None,
    ) -> None:
        self.exchange = Exchange(rules or Rules(), decimals, random)
        self.habits = habits or Habits()
        self._random = random
        self._intents: list[_Intent] = []
        self._activity = Activity()
        self._gates: dict[tuple[str, str], _Gate] = defaultdict(_Gate)

    def on_close(self, bars: Iterable[Bar], history: History) -> None:
        """Act on bars that have just closed and are already part of ``history``."""
        for bar in bars:
            self._place_due(bar)
            self.exchange.advance(bar)
            series = history[bar.symbol]
            for pattern in detect(series):
                self._activity.patterns.append(pattern)
                self._plan_pattern(pattern, series)
            self._trade_by_hand(bar)

    def on_signal(self, model: Model, signal: Signal, series: Series) -> Plan | None:
        """The plan made from a signal, if it is one of the model's more confident ones.

        Traders follow a few of the other signals by hand.
        """
        if signal.signal_type == "HOLD":
            return None
        gate = self._gates[model.model_name, model.version]
        plan = None
        if gate.lets_through(signal.confidence) and self._random.random() < AI.chance:
            plan = self._plan_signal(model, signal, series)
        if plan is None and self._random.random() < self.habits.follow_chance:
            due = signal.created_at + (0.1 + 0.9 * self._random.random()) * _LONGEST_HESITATION
            self._intents.append(_Intent(due, signal.symbol, signal.signal_type, "MARKET"))
        return plan

    def drain(self) -> Activity:
        """The activity since the last call."""
        activity, self._activity = self._activity, Activity()
        activity.orders = self.exchange.drain()
        return activity

    def _plan_pattern(self, pattern: Pattern, series: Series) -> None:
        strategy = STRATEGIES[pattern.pattern_type]
        if (
            pattern.confidence < self.habits.least_confidence
            or self._is_busy(pattern.symbol, strategy.name)
            or self._random.random() >= strategy.chance
        ):
            return
        details = {
            "source": "micro_pattern",
            "pattern_type": pattern.pattern_type,
            "confidence": pattern.confidence,
        }
        self._open(strategy, pattern.signal, series, details)

    def _plan_signal(self, model: Model, signal: Signal, series: Series) -> Plan | None:
        if signal.signal_type == "HOLD" or self._is_busy(signal.symbol, AI.name, model):
            return None
        details = {
            "source": "ai_signal",
            "model": model.model_name,
            "version": model.version,
            "confidence": signal.confidence,
        }
        return self._open(AI, signal.signal_type, series, details, signal)

    def _is_busy(self, symbol: str, strategy: str, model: Model | None = None) -> bool:
        """Whether the strategy (or, of the AI's, the model version) has a plan at work."""
        name, version = (model.model_name, model.version) if model else (None, None)
        return any(
            plan.strategy == strategy
            and (plan.details.get("model"), plan.details.get("version")) == (name, version)
            for plan in self.exchange.active_plans(symbol)
        )

    def _open(
        self,
        strategy: Strategy,
        side: Side,
        series: Series,
        details: Mapping[str, Any],
        signal: Signal | None = None,
    ) -> Plan | None:
        """Open a plan at the last close, unless its barriers would not lie around it."""
        sign = 1 if side == "BUY" else -1
        close, atr = float(series.close[-1]), float(series.atr[-1])
        # A barrier of four ATRs must stay a price even where a bar's range rivals the price.
        reach = min(atr, 0.2 * close)

        def price_at(distance: float) -> Decimal:
            price = Decimal(repr(close + sign * distance * reach))
            return self.exchange.round_price(series.symbol, price)

        entry = price_at(-strategy.pullback)
        stop, take = price_at(-strategy.stop), price_at(strategy.take)
        if signal is not None and signal.stop_loss is not None and signal.take_profit is not None:
            stop = self.exchange.round_price(series.symbol, signal.stop_loss)
            take = self.exchange.round_price(series.symbol, signal.take_profit)
        quantity = _worth(strategy.capital_share * CAPITAL, entry)
        if not quantity or not sign * stop < sign * entry < sign * take:
            return None
        plan = Plan(
            symbol=series.symbol,
            timeframe=series.timeframe,
            strategy=strategy.name,
            side=side,
            kind=strategy.kind,
            quantity=quantity,
            entry_price=entry,
            stop_loss=stop,
            take_profit=take,
            hold_bars=strategy.hold_bars,
            created_at=series.closed_at,
            details=details,
        )
        self._activity.plans.append(plan)
        self.exchange.open_plan(plan)
        return plan

    def _trade_by_hand(self, bar: Bar) -> None:
        """Let a trader think of an order, to be placed some minutes after this close."""
        inventory = self.exchange.inventory(bar.symbol)
        habits, chance = self.habits, self._random.random()
        due = bar.closed_at + (0.1 + 0.9 * self._random.random()) * min(
            _LONGEST_HESITATION, timeframe_length(bar.timeframe)
        )
        if inventory and chance < habits.close_chance:
            side: Side = "SELL" if inventory > 0 else "BUY"
            share = Decimal(1) if self._random.random() < 0.7 else Decimal("0.5")
            self._intents.append(_Intent(due, bar.symbol, side, "MARKET", share))
        elif not inventory and chance < habits.whim_chance:
            side = "BUY" if self._random.random() < 0.65 else "SELL"
            kind: Kind = "LIMIT" if self._random.random() < 0.5 else "MARKET"
            self._intents.append(_Intent(due, bar.symbol, side, kind))

    def _place_due(self, bar: Bar) -> None:
        """Place the orders that the symbol's traders decided to place during the bar."""
        due = [i for i in self._intents if i.symbol == bar.symbol and i.due <= bar.closed_at]
        if not due:
            return
        self._intents = [intent for intent in self._intents if intent not in due]
        for intent in sorted(due, key=lambda intent: intent.due):
            self._place_intent(intent, bar)

    def _place_intent(self, intent: _Intent, bar: Bar) -> None:
        # While the bar lasts, a trader surely knows only its open.
        price = bar.open
        if intent.kind == "LIMIT":
            better = Decimal("0.998") if intent.side == "BUY" else Decimal("1.002")
            price = price * better
        if intent.share_of_inventory is None:
            quantity = _worth(self.habits.capital_share * CAPITAL, price)
        elif self.exchange.has_manual_order(intent.symbol):
            return
        else:
            inventory = self.exchange.inventory(intent.symbol)
            closable = inventory if intent.side == "SELL" else -inventory
            quantity = (closable * intent.share_of_inventory).quantize(TICK, ROUND_DOWN)
        if quantity > 0:
            self.exchange.place(
                intent.symbol, intent.side, intent.kind, quantity, price, intent.due
            )


class _Gate:
    """Tells a model's more confident signals from the rest, on any scale.

    Models differ in their scale of confidence, so each signal is compared with the mean of the
    model's earlier ones.
    """

    def __init__(self) -> None:
        self._count = 0
        self._mean = 0.0

    def lets_through(self, confidence: float) -> bool:
        is_confident = confidence >= self._mean
        self._count += 1
        self._mean += (confidence - self._mean) / self._count
        return is_confident


def _worth(value: Decimal, price: Decimal) -> Decimal:
    """The quantity that ``value`` buys at ``price``, rounded down to eight decimals."""
    return (value / price).quantize(TICK, ROUND_DOWN)


def flatten(desk: Desk, bars: Sequence[Bar]) -> None:
    """Close all positions at the close of each symbol's last bar."""
    for bar in {bar.symbol: bar for bar in bars}.values():
        desk.exchange.flatten(bar)
