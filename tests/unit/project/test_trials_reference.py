"""The test of a trial: how often a version that is no better is promoted, and a better one is."""

from __future__ import annotations

import os

import numpy as np
import pytest
import trials as reference

LEVEL = 0.05
NULLS = int(os.environ.get("SIGNAL_MARTS_TEST_NULLS", "2000"))
DAYS = 180


def is_proven(generator: np.random.Generator, better: float) -> bool:
    """Whether a simulated trial of 180 days is proven on any day.

    Two versions speak at the 24 closes of every second day, for one to ten symbols. Outcomes come
    in runs of 12 closes, which share most of their horizon. The versions agree on a part of them;
    for the others, the challenger is right more often than not by ``better``. Their confidences
    are equal and change in time, and how often they speak depends on how they did the day before.
    """
    symbols, agreement = generator.integers(1, 11), generator.uniform(0, 0.8)
    confidence, speaks = generator.uniform(0.05, 0.9), 1.0
    scores, bounds = [], []
    for _ in range(DAYS // 2):
        runs = 2 * symbols
        outcome = np.repeat(generator.random(runs) < 0.5, 12)
        champion = np.repeat(generator.random(runs) < 0.5, 12)
        own = np.repeat(generator.random(runs) < 0.5 + better, 12)
        challenger = np.where(np.repeat(generator.random(runs) < agreement, 12), champion, own)
        side = np.where(outcome, 1, -1) * confidence / 2
        said = np.repeat(generator.random(runs) < speaks, 12)
        p, q = (
            np.where(said, 0.5 + np.where(is_right, side, -side), 0.5)
            for is_right in (challenger, champion)
        )
        scores.append(float(((q - outcome) ** 2 - (p - outcome) ** 2).sum()))
        bounds.append(float((abs(p - q) * (1 + abs(p + q - 1))).sum()))
        speaks = 1.0 if scores[-1] >= 0 else 0.5
        confidence = min(max(confidence * generator.uniform(0.9, 1.1), 0.05), 0.95)
    return max(reference.e_values(scores, bounds)) >= 1 / LEVEL


def test_a_version_that_is_no_better_is_seldom_promoted() -> None:
    generator = np.random.default_rng(20)
    wrong = sum(is_proven(generator, 0.0) for _ in range(NULLS))
    assert 0 < wrong <= LEVEL * NULLS


@pytest.mark.parametrize(("better", "power"), [(0.1, 0.2), (0.2, 0.8)])
def test_a_version_that_is_better_is_promoted(better: float, power: float) -> None:
    generator = np.random.default_rng(21)
    assert np.mean([is_proven(generator, better) for _ in range(300)]) > power
