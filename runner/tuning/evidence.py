"""Whether one way of trading made more than another, by bootstrap over days."""

from __future__ import annotations

import math

import numpy as np

from runner.tuning.ensemble import Floats, Integers

_RESAMPLES = 2000


def resampled_days(days: int, seed: int) -> Integers:
    """The stationary bootstrap (Politis and Romano 1994): days in blocks of geometric length.

    Blocks have n^(1/3) days in the mean, so that what one day hands on to the next is kept.

    Returns:
        Days, of shape (2000, days).
    """
    random = np.random.default_rng(seed)
    begins = random.random((_RESAMPLES, days)) < days ** (-1.0 / 3.0)
    begins[:, 0] = True
    starts = random.integers(days, size=begins.shape)
    places = np.arange(days)
    # The start of each day's block, and the days since then.
    since = np.maximum.accumulate(np.where(begins, places, 0), axis=1)
    found: Integers = (np.take_along_axis(starts, since, axis=1) + places - since) % days
    return found


def chance_of_none_better(differences: Floats, seed: int) -> float:
    """The p-value of the best of some ways, against that none is better than the present one.

    White's reality check (2000) with standardised means (Hansen 2005): it grows with the number
    of ways that were tried, as it must.

    Args:
        differences: what each way made more than the present one, of shape (days, ways).
        seed: of the bootstrap.
    """
    days = len(differences)
    means, deviations = differences.mean(axis=0), differences.std(axis=0)
    ways = deviations > 1e-15
    if not ways.any():
        return 1.0
    scale = deviations[ways] / math.sqrt(days)
    best = float((means[ways] / scale).max())
    centred = differences[:, ways] - means[ways]
    # How often each day was drawn: the means of all resamples are one product.
    drawn = np.array(
        [np.bincount(each, minlength=days) for each in resampled_days(days, seed)], dtype=np.float64
    )
    greatest = (drawn @ centred / days / scale).max(axis=1)
    return float((1 + (greatest >= best).sum()) / (1 + _RESAMPLES))


def interval_of_mean(values: Floats, seed: int) -> tuple[float, float]:
    """The 95% interval of a daily mean: the bootstrap's, of shape (days,)."""
    means = values[resampled_days(len(values), seed)].mean(axis=1)
    low, high = np.quantile(means, [0.025, 0.975])
    return float(low), float(high)
