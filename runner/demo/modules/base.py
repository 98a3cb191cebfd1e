"""The common part of the three kinds of AI modules: when they train and give signals, and how."""

from __future__ import annotations

import json
from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from decimal import ROUND_HALF_EVEN, Decimal
from typing import Any, Literal

from runner.client.limits import SignalType
from runner.client.records import Model, Signal
from runner.demo.history import History, Series
from runner.retraining.trainers import TrainingRecord

Direction = Literal[-1, 0, 1]

_SIGNAL_TYPES: Mapping[Direction, SignalType] = {1: "BUY", -1: "SELL", 0: "HOLD"}
_TICK = Decimal("1e-8")
_PRICE_LIMIT = 1e12
_MOST_EDGE = 0.95  # no market is certain
_PRIOR_WEIGHT = 4.0


@dataclass(frozen=True, slots=True)
class Decision:
    """A module's decision for a symbol, before it gets prices and times.

    ``edge`` is ``2p - 1``, where ``p`` is the probability that the price moves in the direction
    over the module's horizon. ``target`` is the distance of the expected price from the close,
    ``stop`` and ``take`` are the barriers' distances: multiples of the ATR, above 0.
    """

    direction: Direction
    edge: float
    target: float
    stop: float
    take: float
    evidence: Mapping[str, Any] = field(default_factory=dict)


@dataclass(slots=True)
class _Voice:
    """A module's last signal for a symbol, and its claims that are not yet settled."""

    direction: Direction = 0
    spoke_at_size: int = -1_000_000
    # The size of the series at which the claim is settled, its close and its signed edge.
    claims: deque[tuple[int, float, float]] = field(default_factory=deque)


class Calibration:
    """How much of the edge that a module claims has come true so far.

    The slope of outcomes (+1 or -1) on claimed edges, by least squares through the origin with a
    ridge that pulls it towards ``prior``: James and Stein's shrinkage in its simplest form. Only
    settled claims enter, so it is free of look-ahead.
    """

    def __init__(self, prior: float = 0.5) -> None:
        self._product = prior * _PRIOR_WEIGHT
        self._square = _PRIOR_WEIGHT

    @property
    def slope(self) -> float:
        """The factor for a claimed edge, in 0.3..1.5.

        The factor of a module with a poor record stays above 0: without signals it cannot be
        judged.
        """
        return min(1.5, max(0.3, self._product / self._square))

    def settle(self, claim: float, move: float) -> None:
        """Take in a claim (direction times edge) and the move of the price that followed."""
        self._product += claim * ((move > 0.0) - (move < 0.0))
        self._square += claim * claim


class AIModule(ABC):
    """A module that learns from each symbol's latest bars, again every ``retrain_bars`` bars.

    At each time at which one or more bars close, the caller appends them to its history and then::

        if module.is_due(history):
            training = module.retrain(history, at)
        signals = module.signals(history, at)

    It gives a signal for a symbol when its view changes, at least ``rest`` bars after its last
    signal, and again when its last signal has expired while the view stays the same. A HOLD
    withdraws a signal that is still alive, for a view that contradicts it without being sure enough
    for the other side.

    Args:
        model: the version of the model.
        window: least bars of a symbol that a training reads; symbols with fewer are left out.
        retrain_bars: bars that a symbol gains from one training to the next.
        horizon: bars for which a signal lives.
        rest: bars of silence after a signal.
        least_edge: an edge below it is a HOLD.
        is_static: whether it stays as its first training made it, its confidences included.
    """

    next_number = 1
    """Number of the next episode or generation; a caller that resumes a model sets it."""

    def __init__(
        self,
        model: Model,
        *,
        window: int,
        retrain_bars: int,
        horizon: int,
        rest: int,
        least_edge: float,
        is_static: bool = False,
    ) -> None:
        self.model = model
        self.window = window
        self.retrain_bars = retrain_bars
        self.horizon = horizon
        self.rest = rest
        self.least_edge = least_edge
        self.calibration = Calibration()
        self._is_static, self._has_learned = is_static, False
        self._trained_at_size: dict[str, int] = {}
        self._voices: dict[str, _Voice] = {}

    def is_due(self, history: History) -> bool:
        """Whether enough bars have closed since the last training, or for the first one."""
        if self._is_static and self._has_learned:
            return False
        return any(
            len(series) >= self.window
            and len(series) - self._trained_at_size.get(symbol, 0) >= self.retrain_bars
            for symbol, series in history.items()
        )

    def retrain(self, history: History, at: datetime) -> Sequence[TrainingRecord]:
        """Train on the bars closed by ``at``.

        Returns:
            The records of the training, in order, with ``created_at = at``: episodes, generations
            or spectrum results, by the model's type. Numbers continue from one training to the
            next. Empty if there is too little history.
        """
        self._trained_at_size = {symbol: len(series) for symbol, series in history.items()}
        markets = [
            history[symbol] for symbol in sorted(history) if self._can_learn(history[symbol], at)
        ]
        if not markets:
            return ()
        self._has_learned = True
        return self._train(markets, at)

    def signals(self, history: History, at: datetime) -> Sequence[Signal]:
        """Decide from closed bars only; at most one signal for each symbol.

        Only symbols with a bar that closed exactly ``at`` are considered. Call it once for each
        time: a module's earlier signals affect its next ones.
        """
        signals = []
        for symbol in sorted(history):
            series = history[symbol]
            if len(series) >= self.window and series.closed_at == at:
                signal = self._signal(series, self._voices.setdefault(symbol, _Voice()))
                if signal:
                    signals.append(signal)
        return signals

    def artifact(self) -> bytes:
        """What the module has learned, as JSON."""
        return json.dumps(self._learned(), allow_nan=False, separators=(",", ":")).encode()

    def restore(self, model: Model, artifact: bytes) -> None:
        """Become the version that has learned ``artifact``, and static.

        Raises ValueError, KeyError or TypeError for an artifact of another kind.
        """
        self._learn(json.loads(artifact))
        self.model, self._is_static, self._has_learned = model, True, True

    def _can_learn(self, series: Series, at: datetime) -> bool:
        # A symbol that stopped trading would teach old prices again and again.
        patience = max(timedelta(days=7), 10 * series.bar_length)
        return len(series) >= self.window and at - series.closed_at <= patience

    def _signal(self, series: Series, voice: _Voice) -> Signal | None:
        size, close = len(series), float(series.close[-1])
        while voice.claims and voice.claims[0][0] <= size:
            _, close_then, claim = voice.claims.popleft()
            self.calibration.settle(claim, close - close_then)
        age = size - voice.spoke_at_size
        if age < self.rest:
            return None
        view = self._decide(series, voice.direction)
        if view is None:
            return None
        if view.direction:
            voice.claims.append((size + self.horizon, close, view.direction * view.edge))
        leaning, view = view.direction, self._calibrated(view)
        alive = voice.direction != 0 and age < self.horizon
        if alive and voice.direction in (leaning, view.direction):
            return None
        if not alive and not view.direction:
            return None
        signal = make_signal(view, series, self.horizon)
        if signal:
            voice.direction, voice.spoke_at_size = view.direction, size
        return signal

    def _calibrated(self, view: Decision) -> Decision:
        slope = 1.0 if self._is_static else self.calibration.slope
        edge = min(_MOST_EDGE, max(0.0, view.edge * slope))
        direction = view.direction if edge >= self.least_edge else 0
        return replace(view, edge=edge, direction=direction)

    @abstractmethod
    def _train(self, markets: Sequence[Series], at: datetime) -> Sequence[TrainingRecord]:
        """Train on ``markets`` (at least one), each of at least ``window`` bars."""

    @abstractmethod
    def _learned(self) -> dict[str, Any]:
        """What decisions hang on, for :meth:`_learn`."""

    @abstractmethod
    def _learn(self, learned: Mapping[str, Any]) -> None:
        """Take what :meth:`_learned` returned."""

    @abstractmethod
    def _decide(self, series: Series, said: Direction) -> Decision | None:
        """The module's view of a symbol of at least ``window`` bars; None if it has none.

        ``said`` is the direction of the module's last signal for the symbol.
        """


def make_signal(decision: Decision, series: Series, horizon: int) -> Signal | None:
    """Put prices and times to a decision at the close of the last bar.

    The confidence is the decision's edge: ``0.5 + confidence / 2`` is the probability that the
    direction is right; an ensemble averages these probabilities.

    Returns:
        The signal; None if its prices would not be positive or would not differ from the close
        after rounding to the tick, as happens in a market that stands still.
    """
    at = series.closed_at
    prices: dict[str, Decimal] = {}
    if decision.direction:
        close, atr = float(series.close[-1]), float(series.atr[-1])
        step = decision.direction * atr
        target, stop, take = (
            _to_price(close + distance * step)
            for distance in (decision.target, -decision.stop, decision.take)
        )
        last = _to_price(close)
        if target is None or stop is None or take is None or last is None:
            return None
        ahead = min(target, take) > last > stop
        if not (ahead if decision.direction > 0 else max(target, take) < last < stop):
            return None
        prices = {"price_target": target, "stop_loss": stop, "take_profit": take}
    return Signal(
        symbol=series.symbol,
        signal_type=_SIGNAL_TYPES[decision.direction],
        confidence=round(decision.edge, 6),
        created_at=at,
        expires_at=at + horizon * series.bar_length,
        metadata=dict(decision.evidence),
        price_target=prices.get("price_target"),
        stop_loss=prices.get("stop_loss"),
        take_profit=prices.get("take_profit"),
    )


def _to_price(value: float) -> Decimal | None:
    """``value`` on the grid of 1e-8; None where the price column could not hold it."""
    if not 0.0 < value < _PRICE_LIMIT:
        return None
    return Decimal(value).quantize(_TICK, rounding=ROUND_HALF_EVEN) or None
