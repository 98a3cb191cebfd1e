"""Differences of two models by numpy and statsmodels, from single signals.

A figure is a function of weighted signals. A day moves it by its derivative by the weight of that
day's signals, taken numerically here, whatever formula the derivative has. statsmodels adds up the
moves of days with those of the days that outcomes reach into.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

import numpy as np
from statsmodels.stats.sandwich_covariance import S_hac_simple

Floats = np.ndarray[Any, np.dtype[np.float64]]


@dataclass(frozen=True)
class Case:
    """A BUY or SELL signal that is resolved, and what its trades earned."""

    day: date
    confidence: float
    outcome_return: float
    trades: int = 0
    profit: float = 0.0


def _of(cases: Sequence[Case]) -> tuple[Floats, Floats, Floats]:
    returns = np.array([each.outcome_return for each in cases])
    predicted = np.array([0.5 + each.confidence / 2 for each in cases])
    return returns, predicted, (returns > 0).astype(float)


def _edge(cases: Sequence[Case], weights: Floats) -> float:
    returns, _, hits = _of(cases)
    won, lost = weights * hits, weights * (1 - hits)
    win = float(won @ returns / won.sum())
    loss = -float(lost @ returns / lost.sum())
    return float(won.sum() / weights.sum()) - loss / (win + loss)


def _calibration_error(cases: Sequence[Case], weights: Floats) -> float:
    _, predicted, hits = _of(cases)
    bins = np.maximum(1, np.ceil(np.round([each.confidence * 10 for each in cases], 9)))
    return sum(
        abs(float((weights * (predicted - hits))[bins == bin_].sum())) for bin_ in range(1, 11)
    ) / float(weights.sum())


def _brier_score(cases: Sequence[Case], weights: Floats) -> float:
    _, predicted, hits = _of(cases)
    return float(np.average((predicted - hits) ** 2, weights=weights))


def _ratio(
    top: Callable[[Case], float], bottom: Callable[[Case], float]
) -> Callable[[Sequence[Case], Floats], float]:
    def figure(cases: Sequence[Case], weights: Floats) -> float:
        below = float(weights @ np.array([bottom(each) for each in cases]))
        if not below:
            return math.nan
        return float(weights @ np.array([top(each) for each in cases])) / below

    return figure


FIGURES: dict[str, Callable[[Sequence[Case], Floats], float]] = {
    "hit_rate": _ratio(lambda each: each.outcome_return > 0, lambda each: 1),
    "edge": _edge,
    "mean_return": _ratio(lambda each: each.outcome_return, lambda each: 1),
    "brier_score": _brier_score,
    "calibration_error": _calibration_error,
    "expectancy": _ratio(lambda each: each.profit, lambda each: each.trades),
}


def value(name: str, cases: Sequence[Case]) -> float | None:
    """The figure, None where it is not defined."""
    found = FIGURES[name](cases, np.ones(len(cases)))
    return None if math.isnan(found) else found


def standard_error(
    name: str, first: Sequence[Case], second: Sequence[Case], overlap_days: int
) -> float | None:
    """Of the second's figure less the first's; None if either has it on one day only."""
    days = sorted({each.day for each in (*first, *second)})
    moves = np.zeros((days[-1] - days[0]).days + 1)
    for sign, cases in ((-1, first), (1, second)):
        own = {each.day for each in cases if name != "expectancy" or each.trades}
        if len(own) < 2:
            return None
        factor = sign * math.sqrt(len(own) / (len(own) - 1))
        of_day = np.array([(each.day - days[0]).days for each in cases])
        for at in set(of_day.tolist()):
            step = np.where(of_day == at, 1e-5, 0.0)
            rise = FIGURES[name](cases, 1 + step) - FIGURES[name](cases, 1 - step)
            moves[at] += factor * rise / 2e-5
    return math.sqrt(float(S_hac_simple(moves[:, None], nlags=overlap_days)[0, 0]))
