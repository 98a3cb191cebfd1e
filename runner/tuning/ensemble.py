"""The ensemble of the marts under any settings, as arrays: what it would have decided, and made.

It equals ``ensemble.ensemble_decisions`` under the settings of these; docs/marts-ensemble.md has
the formulas.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]
Booleans = NDArray[np.bool_]

_UNKNOWN_DAY = np.iinfo(np.int64).max


@dataclass(frozen=True, slots=True)
class Settings:
    """The vars ``ensemble_horizon_bars``, ``_forecast_bars``, ``_deadband`` and ``_share``."""

    horizon_bars: int
    forecast_bars: int
    deadband: float
    share: float


@dataclass(frozen=True, slots=True)
class Past:
    """What the ensemble knew, and when. Days count from the first; -1 and NaN are unknown.

    Closes, of shape (closes,), are sorted by symbol and time: ``symbol`` (0, 1, …), ``day`` and
    ``price``; ``place`` is the row of each in ``series``. ``series`` has all bars of the closes'
    timeframes, sorted by symbol, timeframe and time: their ``series_price``, the day on which they
    were known, ``series_day``, and the row behind the last of their timeframe, ``series_end``.

    Forecasts, of shape (forecasts,), are sorted by expert, symbol, time and id: ``expert``,
    ``probability``, the first close at which each is live, the close at which it expires, and the
    row behind the last close of its symbol.

    ``joined`` and ``decides`` are of shape (days, experts).
    """

    symbol: Integers
    day: Integers
    price: Floats
    place: Integers
    series_price: Floats
    series_day: Integers
    series_end: Integers
    expert: Integers
    probability: Floats
    first_close: Integers
    expires_close: Integers
    joined: Booleans
    decides: Booleans

    @property
    def days(self) -> int:
        return len(self.joined)


class Ensemble:
    """What the ensemble would have said in a past, under settings that change from call to call."""

    def __init__(self, past: Past) -> None:
        self._past = past
        # Searches come back to the same lifetimes and horizons again and again.
        self._forecasts = lru_cache(maxsize=8)(self._live_forecasts)
        self._outcomes = lru_cache(maxsize=8)(self._known_outcomes)

    def probabilities(self, settings: Settings) -> Floats:
        """That of a rise at each close, NaN where nobody who decides has a forecast; (closes,)."""
        past = self._past
        live = self._forecasts(settings.forecast_bars)
        weights = self._weights(settings)[past.day]
        leans = np.where(past.decides[past.day], live - 0.5, np.nan)
        speaks = ~np.isnan(leans)
        probability = 0.5 + np.where(speaks, weights * np.nan_to_num(leans), 0.0).sum(axis=1)
        return np.where(speaks.any(axis=1), np.clip(probability, 0.0, 1.0), np.nan)

    def daily_returns(self, settings: Settings, cost: float) -> Floats:
        """What following each decision until the next close would have made, by day; (days,).

        In parts of the capital, of which each symbol has the same share. ``cost`` is that of
        changing a position by the whole share.
        """
        past = self._past
        lean = np.nan_to_num(self.probabilities(settings) - 0.5)
        position = np.sign(lean) * (np.abs(lean) > settings.deadband)
        same = past.symbol[1:] == past.symbol[:-1]
        before = np.concatenate([[0.0], np.where(same, position[:-1], 0.0)])
        made = position[:-1] * np.log(past.price[1:] / past.price[:-1]) * same
        result = np.zeros(past.days)
        np.add.at(result, past.day[1:], made)
        np.add.at(result, past.day, -cost * np.abs(position - before))
        daily: Floats = result / (past.symbol[-1] + 1)
        return daily

    def _weights(self, settings: Settings) -> Floats:
        """Fixed share over the experts that decide; (days, experts)."""
        past = self._past
        losses = self._losses(settings.horizon_bars, settings.forecast_bars)
        weights = np.zeros_like(losses)
        before = np.zeros(losses.shape[1], dtype=np.bool_)
        for day, decides in enumerate(past.decides):
            if decides.any():
                count = decides.sum()
                weights[day] = np.where(decides, 1.0 / count, 0.0)
                staying = decides & before
                if staying.any():
                    loss = losses[day - 1] - losses[day - 1][before].min()
                    earned = weights[day - 1] * np.exp(-0.5 * loss)
                    earned /= earned.sum()
                    shared = np.where(decides, settings.share, 1.0) @ earned
                    kept = (1.0 - settings.share) * (staying.sum() / count) * earned
                    weights[day] = np.where(staying, kept + shared / count, weights[day])
            before = decides
        return weights

    def _losses(self, horizon_bars: int, forecast_bars: int) -> Floats:
        """Losses of deciding beyond those of silence, by the day on which they were known.

        Shape (days, experts).
        """
        live = self._forecasts(forecast_bars)
        went_up, known = self._outcomes(horizon_bars)
        scored = ~np.isnan(went_up) & (known < self._past.days)
        excess = (live[scored] - went_up[scored, None]) ** 2 - 0.25
        excess = np.where(self._past.decides[self._past.day[scored]], np.nan_to_num(excess), 0.0)
        losses = np.zeros(self._past.joined.shape)
        np.add.at(losses, known[scored], excess)
        return losses

    def _live_forecasts(self, forecast_bars: int) -> Floats:
        """Each expert's latest live forecast at each close, or NaN; (closes, experts)."""
        past = self._past
        live = np.full((len(past.day), past.joined.shape[1]), np.nan)
        ends = np.minimum(past.first_close + forecast_bars, past.expires_close)
        # An earlier forecast may outlive a later one, and then counts again.
        for expert, probability, first, end in zip(
            past.expert.tolist(),
            past.probability.tolist(),
            past.first_close.tolist(),
            ends.tolist(),
            strict=True,
        ):
            live[first:end, expert] = probability
        live[~past.joined[past.day]] = np.nan
        return live

    def _known_outcomes(self, horizon_bars: int) -> tuple[Floats, Integers]:
        """1 for a rise, 0 for a fall, NaN for neither; and the day on which it was known."""
        past = self._past
        target = past.place + horizon_bars
        exists = target < past.series_end[past.place]
        target = np.where(exists, target, 0)
        move = np.where(exists, past.series_price[target] - past.price, 0.0)
        went_up = np.where(move == 0.0, np.nan, (move > 0.0).astype(np.float64))
        return went_up, np.where(exists, past.series_day[target], _UNKNOWN_DAY)
