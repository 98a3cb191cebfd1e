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
        ends[kind] = reference_days(facts, kind, today, champion_from, signals=signals, days=days)
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


# --- reasons to retrain -------------------------------------------------------------------------

KIND = {
    "confidence_shift": "signals",
    "signal_mix_shift": "signals",
    "calibration": "outcomes",
    "loss": "losses",
}
REASONS = (*KIND, "skill", "silence")
BETS = (0.05, 0.1, 0.2, 0.4, 0.6, 0.9)


@dataclass(frozen=True)
class Cluster:
    """The forecasts of a stretch of days whose outcomes were known by its last day."""

    first: date
    forecasts: int
    excess_loss: float
    most: float
    """What the excess loss can be at most."""


@dataclass(frozen=True)
class Alarm:
    reason: str
    first_breach: date
    at: date
    figure: float


def counts(days: Sequence[Day], reason: str) -> np.ndarray:
    """A row a day: signals by bin or type, or what outcomes missed by bin, and their number."""
    table = np.zeros((len(days), 11))
    for row, day in zip(table, days, strict=True):
        if reason == "calibration":
            for confidence, hit in day.outcomes:
                row[confidence_bin(confidence) - 1] += 0.5 + confidence / 2 - hit
            row[10] = len(day.outcomes)
        elif reason == "confidence_shift":
            for confidence, _ in day.signals:
                row[confidence_bin(confidence) - 1] += 1
        else:
            for _, type_ in day.signals:
                row[("BUY", "SELL", "HOLD").index(type_)] += 1
    return table


def shift(now: np.ndarray, reference: np.ndarray, reason: str) -> np.ndarray:
    """The figure of one or more pairs of sums over days."""
    if reason == "calibration":
        errors = [np.abs(of[..., :10]).sum(-1) / of[..., 10] for of in (now, reference)]
        return np.asarray(errors[0] - errors[1])
    bins = 10 if reason == "confidence_shift" else 3
    r, c = (
        np.where(of[..., :bins] == 0, 1e-4, of[..., :bins] / of[..., :bins].sum(-1, keepdims=True))
        for of in (now, reference)
    )
    return np.asarray(((r - c) * np.log(r / c)).sum(-1))


def surely_shifted(now: np.ndarray, reference: np.ndarray, reason: str) -> tuple[float, float]:
    """The figure less its bias, and its standard error, by leaving out single days."""
    figure = float(shift(now.sum(0), reference.sum(0), reason))
    bias = variance = 0.0
    for left_out in (
        shift(now.sum(0) - now, reference.sum(0), reason),
        shift(now.sum(0), reference.sum(0) - reference, reason),
    ):
        bias += (len(left_out) - 1) * (left_out.mean() - figure)
        variance += (len(left_out) - 1) * left_out.var()
    if reason != "calibration":
        bins = 10 if reason == "confidence_shift" else 3
        bias = max(bias, (bins - 1) * (1 / now.sum() + 1 / reference.sum()))
    return figure - bias, math.sqrt(variance)


def allowed_loss(days: Sequence[Day], margin: float) -> float:
    """The upper 95% bound of a reference's loss a forecast, with days as clusters, and a margin."""
    losses = np.array([sum(day.losses) for day in days])
    forecasts = np.array([len(day.losses) for day in days])
    mean = losses.sum() / forecasts.sum()
    error = math.sqrt(((losses - mean * forecasts) ** 2).sum()) / forecasts.sum()
    return float(mean + margin + 1.6448536269514722 * error)


@dataclass
class _State:
    first: date | None = None
    last: date | None = None
    breach_days: int = 0
    first_breach: date | None = None
    alarm: date | None = None
    is_open: bool = False
    wealth: list[float] = field(default_factory=lambda: [1.0] * len(BETS))
    most: float = 0.0

    def restart(self, first: date, last: date | None) -> None:
        self.first, self.last = first, last
        self.breach_days, self.wealth, self.most = 0, [1.0] * len(BETS), 0.0


def triggers(
    facts: Facts,
    days: Sequence[date],
    clusters: dict[date, Cluster],
    rank_ics: dict[date, tuple[float, float, int]],
    rules: dict[str, float],
    *,
    champion_from: Sequence[date] = (),
    retired_from: date | None = None,
    reasons: Sequence[str] = REASONS,
    on_day: Callable[[date, str, bool, int, float | None, float | None], None] | None = None,
) -> tuple[list[Alarm], dict[Alarm, date]]:
    """The alarms of a version, and the days on which they were cleared.

    ``clusters`` by the day that ends them, ``rank_ics`` with standard error and days by day.
    ``on_day`` is told of each day and reason whether its alarm is open, since how many days it is a
    breach, its figure and its threshold.
    """
    alarms: list[Alarm] = []
    cleared: dict[Alarm, date] = {}
    for reason in reasons:
        kind = KIND.get(reason)
        state = _State()
        seen = _Seen(facts, days, kind or "signals")
        ends = _references(seen, days, champion_from, rules) if kind else {}
        just_alarmed = False
        for today in days:
            if just_alarmed:
                assert state.first_breach is not None
                state.restart(state.first_breach, None)
                just_alarmed = False
            if today in ends:
                state.restart(*ends[today])
            if kind and state.first and state.last is None:
                before = today - DAY
                if seen.is_enough(state.first, before, rules):
                    state.last = before
            found = _figure(reason, state, seen, today, clusters, rank_ics, rules)
            if found is None:
                state.breach_days = 0
                if state.is_open and retired_from and today >= retired_from:
                    state.is_open = False
                    cleared[alarms[-1]] = today
                if on_day is not None:
                    on_day(today, reason, state.is_open, 0, None, None)
                continue
            figure, error, threshold, n, number = found
            is_retired = retired_from is not None and today >= retired_from
            is_breach = (
                figure >= threshold
                and figure >= rules["trigger_certainty"] * error
                and number >= rules["trigger_min_days"]
                and (n >= rules["trigger_min_facts"] or reason in {"skill", "silence"})
                and not is_retired
            )
            was_open = state.is_open
            state.breach_days = state.breach_days + 1 if is_breach else 0
            if state.breach_days == 1:
                state.first_breach = today
            if was_open and (figure < threshold / 2 or is_retired):
                state.is_open = False
                cleared[alarms[-1]] = today
            is_ready = (
                state.alarm is None or (today - state.alarm).days >= rules["trigger_cooldown_days"]
            )
            if state.breach_days >= rules["trigger_hold_days"] and not was_open and is_ready:
                assert state.first_breach is not None
                alarms.append(Alarm(reason, state.first_breach, today, figure))
                state.alarm, state.is_open, just_alarmed = today, True, True
            if on_day is not None:
                on_day(today, reason, state.is_open, state.breach_days, figure, threshold)
    return alarms, cleared


class _Seen:
    """The facts of a version, by day."""

    def __init__(self, facts: Facts, days: Sequence[date], kind: str) -> None:
        self.first = days[0]
        self.days = [facts.get(day, Day()) for day in days]
        self.kind = kind
        self.number = np.array([len(getattr(day, kind)) for day in self.days])
        self.signals = np.array([len(day.signals) for day in self.days])
        self.tables: dict[str, np.ndarray] = {}

    def table(self, reason: str) -> np.ndarray:
        if reason not in self.tables:
            self.tables[reason] = counts(self.days, reason)
        return self.tables[reason]

    def at(self, day: date) -> int:
        return (day - self.first).days

    def positions(self, first: date, last: date) -> range:
        return range(max(self.at(first), 0), self.at(last) + 1)

    def filled(self, first: date, last: date) -> list[int]:
        return [n for n in self.positions(first, last) if self.number[n]]

    def is_enough(self, first: date, last: date, rules: dict[str, float]) -> bool:
        found = self.filled(first, last)
        return (
            sum(self.number[n] for n in found) >= rules["health_reference_signals"]
            and len(found) >= rules["health_reference_days"]
        )


def _references(
    seen: _Seen, days: Sequence[date], champion_from: Sequence[date], rules: dict[str, float]
) -> dict[date, tuple[date, date]]:
    """The references that come in force, by day."""
    complete = next((day for day in days if seen.is_enough(days[0], day, rules)), None)
    found = {complete + DAY: (days[0], complete)} if complete else {}
    for became in champion_from:
        last = became - DAY
        if days[0] <= last and seen.is_enough(days[0], last, rules):
            first = last
            while not seen.is_enough(first, last, rules):
                first -= DAY
            found[became] = (first, last)
    return found


def _figure(
    reason: str,
    state: _State,
    seen: _Seen,
    today: date,
    clusters: dict[date, Cluster],
    rank_ics: dict[date, tuple[float, float, int]],
    rules: dict[str, float],
) -> tuple[float, float, float, float, float] | None:
    """Figure, standard error, threshold, number of facts and of days."""
    at = seen.at(today)
    if reason == "skill":
        if today not in rank_ics:
            return None
        ic, error, number = rank_ics[today]
        return -ic, error, rules["trigger_skill"], 0, number
    if reason == "silence":
        heard = [n for n in range(at + 1) if seen.signals[n]]
        if not heard:
            return None
        threshold = max(rules["trigger_silence_days"], 5 * (at + 1) / len(heard))
        return at - heard[-1], 0, threshold, 0, len(heard)
    if state.first is None or state.last is None:
        return None
    if reason == "loss":
        _bet(state, seen, today, clusters, rules)
        since = seen.number[seen.at(state.last) + 1 : at + 1]
        figure = sum(state.wealth) / len(BETS)
        return figure, 0, 1 / rules["trigger_loss_level"], since.sum(), (since > 0).sum()
    window = seen.filled(today - (int(rules["health_window_days"]) - 1) * DAY, today)
    if not window:
        return None
    table = seen.table(reason)
    now, reference = table[window], table[seen.filled(state.first, state.last)]
    figure, error = surely_shifted(now, reference, reason)
    return (
        figure,
        error,
        rules["trigger_calibration" if reason == "calibration" else "trigger_shift"],
        seen.number[window].sum(),
        len(window),
    )


def _bet(
    state: _State,
    seen: _Seen,
    today: date,
    clusters: dict[date, Cluster],
    rules: dict[str, float],
) -> None:
    assert state.first is not None
    assert state.last is not None
    cluster = clusters.get(today)
    if cluster is None or cluster.first <= state.last:
        return
    days = [seen.days[n] for n in seen.positions(state.first, state.last)]
    allowed = allowed_loss(days, rules["trigger_loss_margin"])
    bound = cluster.most + abs(allowed) * cluster.forecasts
    share = (cluster.excess_loss - allowed * cluster.forecasts) / max(bound, 1.5 * state.most)
    state.wealth = [
        max(had * (1 + bet * share), 1e-100) for had, bet in zip(state.wealth, BETS, strict=True)
    ]
    state.most = max(state.most, bound)
