"""The platform's chart-pattern detector: closed bars in, micro patterns out.

Every pattern is an event: it is reported at the close of the bar that completes it, not again while
it lasts.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from statistics import fmean
from typing import Literal

from runner.demo.history import Series

Side = Literal["BUY", "SELL"]
PatternType = Literal["breakout", "engulfing", "ma_cross", "mean_reversion", "pullback"]

CHANNEL = 20
FAST, SLOW = 10, 30
EXTREME = 2.0
# Weaker findings are noise.
LEAST_CONFIDENCE = 0.2
# The slowest average of the bar before, and that bar.
LOOKBACK = SLOW + 2


@dataclass(frozen=True, slots=True)
class Pattern:
    """A chart pattern, completed at the close of a bar.

    ``strength`` is the size of the move behind it, in multiples of the ATR (for a mean reversion,
    in standard deviations); ``confidence`` maps it to ``LEAST_CONFIDENCE``..1.
    """

    symbol: str
    timeframe: str
    pattern_type: PatternType
    signal: Side
    confidence: float
    strength: float
    created_at: datetime


@dataclass(frozen=True, slots=True)
class _Window:
    """The last ``LOOKBACK`` bars as plain floats, oldest first, and the ATR at the last close."""

    open: Sequence[float]
    high: Sequence[float]
    low: Sequence[float]
    close: Sequence[float]
    atr: float


# A detector's result: the direction, the strength, and the strength at which confidence is 0.5.
_Finding = tuple[Side, float, float]


def detect(series: Series) -> list[Pattern]:
    """Patterns that the last closed bar of ``series`` completes, at most one of each type.

    Returns:
        Patterns with ``created_at`` equal to the bar's close, ordered by type. Empty while fewer
        than ``LOOKBACK`` bars have closed, and in a market that stands still.
    """
    if len(series) < LOOKBACK:
        return []
    window = _Window(
        open=series.open[-LOOKBACK:].tolist(),
        high=series.high[-LOOKBACK:].tolist(),
        low=series.low[-LOOKBACK:].tolist(),
        close=series.close[-LOOKBACK:].tolist(),
        atr=float(series.atr[-1]),
    )
    if window.atr <= 0:
        return []
    found = (
        _pattern(series, pattern_type, finding)
        for pattern_type, detector in _DETECTORS
        if (finding := detector(window)) is not None
    )
    return [pattern for pattern in found if pattern.confidence >= LEAST_CONFIDENCE]


def _pattern(series: Series, pattern_type: PatternType, finding: _Finding) -> Pattern:
    side, strength, typical = finding
    return Pattern(
        symbol=series.symbol,
        timeframe=series.timeframe,
        pattern_type=pattern_type,
        signal=side,
        confidence=round(1.0 - math.exp(-math.log(2.0) * max(strength, 0.0) / typical), 4),
        strength=round(strength, 4),
        created_at=series.closed_at,
    )


def _breakout(window: _Window) -> _Finding | None:
    """The first close outside the channel of the 20 bars before."""
    close, last = window.close[-1], window.close[-2]
    top, last_top = max(window.high[-CHANNEL - 1 : -1]), max(window.high[-CHANNEL - 2 : -2])
    if close > top and last <= last_top:
        return "BUY", (close - top) / window.atr, 0.3
    bottom, last_bottom = min(window.low[-CHANNEL - 1 : -1]), min(window.low[-CHANNEL - 2 : -2])
    if close < bottom and last >= last_bottom:
        return "SELL", (bottom - close) / window.atr, 0.3
    return None


def _engulfing(window: _Window) -> _Finding | None:
    """A body that covers the whole body before it, of the other colour."""
    body = window.close[-1] - window.open[-1]
    last_body = window.close[-2] - window.open[-2]
    top, bottom = max(window.open[-1], window.close[-1]), min(window.open[-1], window.close[-1])
    last_top = max(window.open[-2], window.close[-2])
    last_bottom = min(window.open[-2], window.close[-2])
    strength = abs(body) / window.atr
    if body * last_body >= 0 or strength < 0.5 or top < last_top or bottom > last_bottom:
        return None
    if abs(last_body) < 0.1 * window.atr:
        return None
    return ("BUY" if body > 0 else "SELL"), strength, 1.0


def _ma_cross(window: _Window) -> _Finding | None:
    """The fast moving average crosses the slow one."""
    gap = fmean(window.close[-FAST:]) - fmean(window.close[-SLOW:])
    last_gap = fmean(window.close[-FAST - 1 : -1]) - fmean(window.close[-SLOW - 1 : -1])
    if gap == 0 or gap * last_gap > 0:
        return None
    return ("BUY" if gap > 0 else "SELL"), abs(gap - last_gap) / window.atr, 0.15


def _mean_reversion(window: _Window) -> _Finding | None:
    """The close leaves the band of two standard deviations around its mean: expect it back."""
    score, last_score = _z_score(window.close[-CHANNEL:]), _z_score(window.close[-CHANNEL - 1 : -1])
    if abs(score) < EXTREME or abs(last_score) >= EXTREME:
        return None
    return ("SELL" if score > 0 else "BUY"), abs(score), 2.4


def _pullback(window: _Window) -> _Finding | None:
    """A bar of a trend dips to the fast average and closes on the trend's side of it again."""
    fast, last_fast = fmean(window.close[-FAST:]), fmean(window.close[-FAST - 1 : -1])
    trend = (fast - fmean(window.close[-SLOW:])) / window.atr
    rising = window.low[-1] <= fast < window.close[-1] and window.low[-2] > last_fast
    falling = window.high[-1] >= fast > window.close[-1] and window.high[-2] < last_fast
    if trend > 0.5 and rising:
        return "BUY", trend, 1.0
    if trend < -0.5 and falling:
        return "SELL", -trend, 1.0
    return None


def _z_score(values: Sequence[float]) -> float:
    mean = fmean(values)
    deviation = math.sqrt(fmean([(value - mean) ** 2 for value in values]))
    return (values[-1] - mean) / deviation if deviation > 0 else 0.0


_DETECTORS: tuple[tuple[PatternType, Callable[[_Window], _Finding | None]], ...] = (
    ("breakout", _breakout),
    ("engulfing", _engulfing),
    ("ma_cross", _ma_cross),
    ("mean_reversion", _mean_reversion),
    ("pullback", _pullback),
)
