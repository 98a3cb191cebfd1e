"""The health of a model version by brute force: lists of facts, without any running sum."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import date, timedelta

import numpy as np

DAY = timedelta(days=1)


@dataclass
class Day:
    """What became known of a version on a day."""

    signals: list[tuple[float, str]] = field(default_factory=list)
    """Confidence and type."""
    outcomes: list[tuple[float, bool]] = field(default_factory=list)
    """Confidence and whether it won."""
    losses: list[float] = field(default_factory=list)
    """(p - y)^2 - 0.25 of each forecast."""


Facts = dict[date, Day]


def confidence_bin(confidence: float) -> int:
    """From 1 to 10, closed on the right."""
    return max(1, math.ceil(round(confidence * 10, 9)))


def shares(values: Sequence[object], kinds: Sequence[object]) -> np.ndarray:
    found = np.array([list(values).count(kind) for kind in kinds], dtype=float) / len(values)
    return np.where(found == 0, 1e-4, found)


def stability_index(
    values: Sequence[object], reference: Sequence[object], kinds: Sequence[object]
) -> float | None:
    """The sum of (r - c) * ln(r / c)."""
    if not values or not reference:
        return None
    r, c = shares(values, kinds), shares(reference, kinds)
    return float(np.sum((r - c) * np.log(r / c)))


def span(facts: Facts, first: date, last: date) -> Day:
    """The facts of some days together."""
    days = [facts[day] for day in sorted(facts) if first <= day <= last]
    return Day(
        [each for day in days for each in day.signals],
        [each for day in days for each in day.outcomes],
        [each for day in days for each in day.losses],
    )


def reference_days(
    facts: Facts,
    kind: str,
    today: date,
    champion_from: Sequence[date],
    *,
    signals: int,
    days: int,
) -> tuple[date, date] | None:
    """First and last day of the reference that is in force on a day, for a kind of facts.

    The last days before the version became champion, if they hold enough; else its first ones.
    """

    def is_enough(given: Sequence[date]) -> bool:
        counts = [len(getattr(facts[day], kind)) for day in given]
        return sum(counts) >= signals and sum(map(bool, counts)) >= days

    known = sorted(day for day in facts if day <= today)
    for became in sorted((day for day in champion_from if day <= today), reverse=True):
        before = [day for day in known if day < became]
        for number in range(len(before) - 1, -1, -1):
            if is_enough(before[number:]):
                return before[number], became - DAY
    for number in range(len(known)):
        if is_enough(known[: number + 1]):
            return (known[0], known[number]) if known[number] < today else None
    return None


def figures(
    facts: Facts,
    today: date,
    champion_from: Sequence[date],
    *,
    window: int,
    signals: int,
    days: int,
    brier: Callable[[Sequence[float], Sequence[bool]], float | None],
    calibration: Callable[[Sequence[float], Sequence[bool]], float | None],
) -> dict[str, object]:
    """The row of a day of ``operations.model_health``, without rank ICs."""
    now = span(facts, today - (window - 1) * DAY, today)
    of: dict[str, Day] = {}
    ends: dict[str, tuple[date, date] | None] = {}
    for kind in ("signals", "outcomes", "losses"):
        ends[kind] = reference_days(
            facts, kind, today, champion_from, signals=signals, days=days
        )
        found = ends[kind]
        of[kind] = span(facts, *found) if found else Day()
    row: dict[str, object] = {
        "signals": len(facts.get(today, Day()).signals),
        "resolved": len(facts.get(today, Day()).outcomes),
        "window_signals": len(now.signals),
        "window_resolved": len(now.outcomes),
        "window_forecasts": len(now.losses),
        "reference_last_date": ends["signals"][1] if ends["signals"] else None,
        "psi_confidence": stability_index(
            [confidence_bin(confidence) for confidence, _ in now.signals],
            [confidence_bin(confidence) for confidence, _ in of["signals"].signals],
            range(1, 11),
        ),
        "psi_signal_mix": stability_index(
            [type_ for _, type_ in now.signals],
            [type_ for _, type_ in of["signals"].signals],
            ("BUY", "SELL", "HOLD"),
        ),
    }
    for prefix, outcomes, losses in (
        ("", now.outcomes, now.losses),
        ("reference_", of["outcomes"].outcomes, of["losses"].losses),
    ):
        confidences, hits = [c for c, _ in outcomes], [hit for _, hit in outcomes]
        row[f"{prefix}brier_score"] = brier(confidences, hits)
        row[f"{prefix}expected_calibration_error"] = calibration(confidences, hits)
        row[f"{prefix}excess_loss"] = float(np.mean(losses)) if losses else None
    return row
