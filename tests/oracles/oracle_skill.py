"""The metrics of ``performance.model_skill`` by scikit-learn, alphalens and scipy."""

from __future__ import annotations

import math
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from itertools import pairwise

import numpy as np
import pandas as pd
from alphalens.performance import factor_information_coefficient
from scipy import stats
from sklearn.calibration import calibration_curve
from sklearn.metrics import brier_score_loss


@dataclass(frozen=True)
class Observation:
    """A model's last signal of a symbol and day, and the return over each horizon.

    ``returns`` holds that of all horizons together first.
    """

    symbol: str
    day: date
    score: float
    returns: tuple[float, ...]


def brier_score(confidences: Sequence[float], hits: Sequence[bool]) -> float | None:
    if not confidences:
        return None
    return float(brier_score_loss(hits, 0.5 + np.array(confidences) / 2, labels=[False, True]))


def bins(confidences: Sequence[float]) -> list[int]:
    """Bins of scikit-learn's calibration_curve, 1 to 10; it keeps them to itself."""
    edges = np.linspace(0.0, 1.0, 11)
    return [int(bin_) + 1 for bin_ in np.searchsorted(edges[1:-1], confidences)]


def calibration(confidences: Sequence[float], hits: Sequence[bool]) -> dict[int, tuple[int, float]]:
    """Signals and observed rate of each bin that has signals, by calibration_curve."""
    numbers = bins(confidences)
    rates, _ = calibration_curve(hits, confidences, n_bins=10)
    filled = sorted(set(numbers))
    return {
        bin_: (numbers.count(bin_), float(rate)) for bin_, rate in zip(filled, rates, strict=True)
    }


def expected_calibration_error(confidences: Sequence[float], hits: Sequence[bool]) -> float | None:
    if not confidences:
        return None
    rates, means = calibration_curve(hits, confidences, n_bins=10)
    counts = [n for n, _ in calibration(confidences, hits).values()]
    errors = np.abs(rates - (0.5 + means / 2))
    return float(np.average(errors, weights=counts))


def rank_ics(observations: Sequence[Observation]) -> list[list[float]]:
    """Rank ICs for each horizon: one a day over symbols, or one over time for one symbol."""
    if not observations:
        return []
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # constant ranks: alphalens and scipy say NaN, aloud
        if len({each.symbol for each in observations}) == 1:
            scores = [each.score for each in observations]
            columns = zip(*(each.returns for each in observations), strict=True)
            values = [[stats.spearmanr(scores, column)[0]] for column in columns]
        else:
            frame = pd.DataFrame(
                [each.returns for each in observations],
                columns=[f"{n + 1}D" for n in range(len(observations[0].returns))],
                index=pd.MultiIndex.from_arrays(
                    [
                        pd.to_datetime([each.day for each in observations]),
                        [each.symbol for each in observations],
                    ],
                    names=["date", "asset"],
                ),
            )
            frame["factor"] = [each.score for each in observations]
            result = factor_information_coefficient(frame)
            values = [list(result[name]) for name in frame.columns[:-1]]
    return [[float(ic) for ic in column if not math.isnan(ic)] for column in values]


def ic_ir(ics: Sequence[float]) -> float | None:
    if len(ics) < 2 or max(ics) - min(ics) <= 1e-12:
        return None
    return float(np.mean(ics) / np.std(ics, ddof=1))


def half_life(mean_ics: Sequence[float], horizons: Sequence[int]) -> float | None:
    if len(mean_ics) < len(horizons) or min(mean_ics) <= 0:
        return None
    slope = float(np.polyfit(horizons, np.log(mean_ics), 1)[0])
    return -math.log(2) / slope if slope < 0 else None


def turnover(positions: Sequence[Sequence[int]]) -> float | None:
    """Mean of half the change from one position to the next; ``positions`` of each symbol."""
    changes = [
        abs(after - before) / 2 for sequence in positions for before, after in pairwise(sequence)
    ]
    return float(np.mean(changes)) if changes else None
