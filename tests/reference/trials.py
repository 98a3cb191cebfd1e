"""The evidence of a trial by brute force, the reference for int_trial_clusters."""

from __future__ import annotations

from collections.abc import Sequence

BETS = (0.05, 0.1, 0.2, 0.4, 0.6, 0.9)


def e_values(scores: Sequence[float], bounds: Sequence[float]) -> list[float]:
    """The evidence after each stretch of days.

    A score is the champion's loss less the challenger's, less the margin; a bound is the most that
    its absolute value can be, whatever the outcomes. The mean of products of fair bets is a test
    martingale (Ville 1939; Waudby-Smith and Ramdas 2024).
    """
    wealth, largest, found = [1.0] * len(BETS), 0.0, []
    for score, bound in zip(scores, bounds, strict=True):
        scale = max(1.5 * largest, bound)
        share = score / scale if scale else 0.0
        wealth = [had * (1 + bet * share) for had, bet in zip(wealth, BETS, strict=True)]
        found.append(sum(wealth) / len(wealth))
        largest = max(largest, bound)
    return found
