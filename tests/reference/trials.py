"""The evidence of a trial by brute force, the reference for int_trial_clusters."""

from __future__ import annotations

from collections.abc import Sequence

BETS = (0.05, 0.1, 0.2, 0.4, 0.6, 0.9)


def e_values(stretches: Sequence[Sequence[tuple[float, float]]]) -> list[float]:
    """The evidence after each stretch of days.

    A stretch has a score and a bound for each moment of closes, in order. A score is the champion's
    loss less the challenger's, less the margin; a bound is the most that its absolute value can
    be, known before the outcome. Moments count until their bounds exceed what is known when the
    stretch begins, so that a stretch is a fair bet whatever the versions make of its first
    outcomes; the mean of products of fair bets is a test martingale (Ville 1939; Waudby-Smith and
    Ramdas 2024).
    """
    wealth, largest, found = [1.0] * len(BETS), 0.0, []
    for stretch in stretches:
        scale, used, score = 1.5 * largest, 0.0, 0.0
        for moment, bound in stretch:
            used += bound
            if used <= scale:
                score += moment
        share = score / scale if scale else 0.0
        wealth = [had * (1 + bet * share) for had, bet in zip(wealth, BETS, strict=True)]
        found.append(sum(wealth) / len(wealth))
        largest = max(largest, used)
    return found
