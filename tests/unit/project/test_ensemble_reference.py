"""The ensemble's reference itself: its regret stays within its bound in made-up markets."""

from __future__ import annotations

from typing import Any

import ensemble as reference
import numpy as np
import pytest


def simulated(seed: int, skill: float, delay: int) -> tuple[np.ndarray[Any, Any], float, float]:
    """A market of coin flips, six experts of whom the first has skill, outcomes late by days.

    Returns the last day's weights, the regret and its bound.
    """
    generator = np.random.default_rng(seed)
    days, per_day, experts = 60, 5, 6
    decided = np.repeat(np.arange(days), per_day)
    resolved = decided + generator.integers(0, delay + 1, len(decided))
    outcomes = generator.integers(0, 2, len(decided)).astype(float)
    outcomes[generator.random(len(decided)) < 0.05] = np.nan
    rate = np.full(experts, 0.5)
    rate[0] = skill
    is_right = generator.random((len(decided), experts)) < rate
    side = np.where(is_right, 1, -1) * np.where(outcomes == 1, 1, -1)[:, None]
    speaks = generator.random((len(decided), experts)) < 0.7
    forecasts = 0.5 + np.where(speaks, 0.2 * side, 0.0)
    joined = np.zeros(experts, dtype=np.int64)
    joined[-1] = generator.integers(0, days // 2)
    forecasts[decided < joined[-1], -1] = 0.5
    # Another expert goes into shadow for some days, and comes back.
    first, last = sorted(generator.integers(1, days, 2))

    def pool(day: int) -> reference.Booleans:
        deciding = joined <= day
        deciding[1] = not first <= day < last
        return deciding

    regret, bound = reference.regret_and_bound(forecasts, outcomes, decided, resolved, pool)
    weights = reference.weights_of_day(forecasts, outcomes, resolved, pool, days)
    return weights, regret, bound


def test_regret_stays_within_its_bound_in_600_markets() -> None:
    skilled: list[reference.Floats] = []
    level: list[reference.Floats] = []
    for seed in range(600):
        skill = 0.7 if seed % 2 else 0.5
        weights, regret, bound = simulated(seed, skill, delay=seed % 3)
        assert regret <= bound
        (skilled if seed % 2 else level).append(weights)
    # The first expert gets the weight if it has skill, and no more than its share if not.
    assert np.mean(skilled, axis=0)[0] > 0.7
    share = np.mean(level, axis=0)[:-1]
    error = np.std(level, axis=0)[:-1] / np.sqrt(len(level))
    assert (np.abs(share - share.mean()) < 4 * error).all()


def test_without_delay_regret_is_at_most_2_ln_n() -> None:
    generator = np.random.default_rng(3)
    for _ in range(100):
        rounds, experts = 200, 8
        forecasts = generator.random((rounds, experts))
        outcomes = generator.integers(0, 2, rounds).astype(float)
        decided = np.arange(rounds)
        # Every outcome is known before the next round's day begins.
        regret, bound = reference.regret_and_bound(
            forecasts, outcomes, decided, decided, lambda day: np.ones(8, dtype=bool)
        )
        assert bound == pytest.approx(2 * np.log(experts))
        assert regret <= bound
