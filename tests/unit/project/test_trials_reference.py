"""The test of a trial: how often a version that is no better is promoted, and a better one is."""

from __future__ import annotations

import os

import numpy as np
import pytest
import trials as reference

LEVEL = 0.05
NULLS = int(os.environ.get("SIGNAL_MARTS_TEST_NULLS", "2000"))
DAYS = 180


def is_proven(generator: np.random.Generator, better: float, *, cunning: bool = False) -> bool:
    """Whether a simulated trial of 180 days is proven on any day.

    Two versions speak at the 24 closes of every second day, for one to ten symbols. Outcomes come
    in runs of 12 closes, which share most of their horizon. The versions agree on a part of them;
    for the others, the challenger is right more often than not by ``better``. Their confidences
    are equal and change in time, and how often they speak depends on how they did the day before.
    A ``cunning`` challenger says nothing for the rest of a day once it is ahead, and is as bold
    as can be as long as it is behind.
    """
    symbols, agreement = generator.integers(1, 11), generator.uniform(0, 0.8)
    confidence, speaks = generator.uniform(0.05, 0.9), 1.0
    stretches = []
    for _ in range(DAYS // 2):
        ahead, stretch = 0.0, []
        for _ in range(2):
            # One run: 12 moments at which all symbols have the same outcome and forecasts.
            outcome = generator.random(symbols) < 0.5
            champion = generator.random(symbols) < 0.5
            own = generator.random(symbols) < 0.5 + better
            challenger = np.where(generator.random(symbols) < agreement, champion, own)
            side = np.where(outcome, 1, -1) / 2
            said = generator.random(symbols) < speaks
            q = np.where(said, 0.5 + np.where(champion, side, -side) * confidence, 0.5)
            bold = (0.0 if ahead > 0 else 0.95) if cunning and ahead else confidence
            p = np.where(said, 0.5 + np.where(challenger, side, -side) * bold, 0.5)
            if cunning and ahead > 0:
                p = q
            score = float(((q - outcome) ** 2 - (p - outcome) ** 2).sum())
            if cunning:
                # Whatever its confidence, its expected loss is the champion's: no better.
                score -= float(((q - 0.5) ** 2 - (p - 0.5) ** 2).sum())
            bound = float((abs(p - q) * (1 + abs(p + q - 1))).sum())
            stretch += [(score, bound)] * 12
            ahead += 12 * score
        stretches.append(stretch)
        speaks = 1.0 if ahead >= 0 else 0.5
        confidence = min(max(confidence * generator.uniform(0.9, 1.1), 0.05), 0.95)
    return max(reference.e_values(stretches)) >= 1 / LEVEL


@pytest.mark.parametrize("cunning", [False, True])
def test_a_version_that_is_no_better_is_seldom_promoted(cunning: bool) -> None:
    generator = np.random.default_rng(20)
    wrong = sum(is_proven(generator, 0.0, cunning=cunning) for _ in range(NULLS))
    assert wrong <= LEVEL * NULLS


@pytest.mark.parametrize(("better", "power"), [(0.1, 0.1), (0.2, 0.7)])
def test_a_version_that_is_better_is_promoted(better: float, power: float) -> None:
    generator = np.random.default_rng(21)
    assert np.mean([is_proven(generator, better) for _ in range(300)]) > power
