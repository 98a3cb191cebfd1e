"""The ensemble by brute force, the reference for its marts. Nothing here is fast or clever."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]
Booleans = NDArray[np.bool_]
Pool = Callable[[int], Booleans]
"""The experts that decide on a day."""


def weights_of_day(
    forecasts: Floats, outcomes: Floats, resolved: Integers, pool: Pool, day: int
) -> Floats:
    """Exponential weights from delayed feedback: Cesa-Bianchi and Lugosi 2006, section 3.3.

    Args:
        forecasts: (rounds, experts), 0.5 for silence, also before an expert joined.
        outcomes: (rounds,), 1 for up and 0 for down; NaN is no round.
        resolved: (rounds,), the day on which the outcome was known.
        pool: the experts that decide on a day, (experts,).
        day: the day that the weights are for.

    Returns:
        (experts,), adding up to 1; all 0 where nobody decides.
    """
    seen = (resolved < day) & ~np.isnan(outcomes)
    losses = ((forecasts[seen] - outcomes[seen, None]) ** 2).sum(axis=0)
    deciding = pool(day)
    if not deciding.any():
        return np.zeros(len(deciding))
    raw = np.where(deciding, np.exp(-0.5 * (losses - losses[deciding].min())), 0.0)
    weights: Floats = raw / raw.sum()
    return weights


def averages(
    forecasts: Floats,
    outcomes: Floats,
    decided: Integers,
    resolved: Integers,
    pool: Pool,
) -> Floats:
    """The ensemble's probability in every round, (rounds,); arguments as in weights_of_day."""
    result = np.full(len(decided), np.nan)
    for day in np.unique(decided):
        at = decided == day
        weights = weights_of_day(forecasts, outcomes, resolved, pool, int(day))
        result[at] = forecasts[at] @ weights
    return result


def unresolved_rounds(decided: Integers, resolved: Integers) -> int:
    """M: for every round, the earlier ones that its weights do not know. Rounds are in order."""
    return sum(int((resolved[:number] >= decided[number]).sum()) for number in range(len(decided)))


def regret_and_bound(
    forecasts: Floats,
    outcomes: Floats,
    decided: Integers,
    resolved: Integers,
    pool: Pool,
    made: Booleans | None = None,
    last_day: int | None = None,
) -> tuple[float, float]:
    """The regret against the best expert that decides on the last day, and its bound.

    ``made`` are the rounds that were decided, (rounds,): of the others, the forecasts of experts
    that did not decide are judged. By default all; ``last_day`` is that of the last round.
    """
    probabilities = averages(forecasts, outcomes, decided, resolved, pool)
    scored = ~np.isnan(outcomes)
    rounds = scored if made is None else scored & made
    losses = (forecasts[scored] - outcomes[scored, None]) ** 2 - 0.25
    own = float(((probabilities[rounds] - outcomes[rounds]) ** 2 - 0.25).sum())
    days, first = decided[scored], int(decided[rounds].min())
    last = int(decided.max()) if last_day is None else last_day
    bound = 2 * np.log(pool(first).sum())
    bound += unresolved_rounds(decided[rounds], resolved[rounds]) / 4

    def potential(until: int, members: Booleans) -> float:
        summed = losses[days < until].sum(axis=0)[members]
        return float(np.log(np.exp(-0.5 * (summed - summed.min())).sum()) - 0.5 * summed.min())

    former = first
    for day in range(first + 1, last + 1):
        if not pool(day).any():
            continue
        if day > former + 1 or (pool(day) != pool(former)).any():
            bound += 2 * (potential(day, pool(day)) - potential(former + 1, pool(former)))
        former = day
    return own - float(losses.sum(axis=0)[pool(last)].min()), float(bound)


@dataclass(frozen=True)
class Bar:
    symbol: str
    timeframe: str
    closed_at: datetime
    close: float

    @property
    def minutes(self) -> int:
        return int(self.timeframe[:-1]) * {"m": 1, "h": 60, "d": 1440}[self.timeframe[-1]]


@dataclass(frozen=True)
class Forecast:
    """A signal or a pattern; ``id`` orders what one expert said at the same instant."""

    expert: str
    id: int
    symbol: str
    direction: str
    confidence: float
    at: datetime
    expires_at: datetime | None = None

    @property
    def probability_up(self) -> float:
        return 0.5 + {"BUY": 0.5, "SELL": -0.5}.get(self.direction, 0.0) * self.confidence


@dataclass(frozen=True)
class Stage:
    """A stage of a model version; it counts from the next day on, the first one always."""

    expert: str
    name: str
    since: datetime


@dataclass(frozen=True)
class Decision:
    symbol: str
    decided_at: datetime
    probability_up: float
    equal_weights: float
    contributors: int


def day_number(at: datetime) -> int:
    return at.astimezone(UTC).date().toordinal()


def stage_of(expert: str, stages: Sequence[Stage], day: int) -> str:
    """Its stage on a day; an expert without any decides."""
    own = [stage for stage in stages if stage.expert == expert]
    counting = [stage for n, stage in enumerate(own) if not n or day_number(stage.since) < day]
    return counting[-1].name if counting else "champion"


def own_bars(bars: Sequence[Bar]) -> list[Bar]:
    """Bars of each symbol's shortest timeframe so far, by symbol and time."""
    chosen = []
    for symbol in sorted({bar.symbol for bar in bars}):
        shortest = 10**9
        ordered = sorted(
            (bar for bar in bars if bar.symbol == symbol),
            key=lambda bar: (bar.closed_at, bar.minutes, bar.timeframe),
        )
        last = None
        for bar in ordered:
            shortest = min(shortest, bar.minutes)
            if bar.minutes == shortest and bar.closed_at != last:
                chosen.append(bar)
                last = bar.closed_at
    return chosen


def target(bar: Bar, bars: Sequence[Bar], horizon: int) -> tuple[float, datetime | None]:
    """1 for up, 0 for down, NaN for neither; and when that was known."""
    later = sorted(
        (
            other
            for other in bars
            if (other.symbol, other.timeframe) == (bar.symbol, bar.timeframe)
            and other.closed_at > bar.closed_at
        ),
        key=lambda other: other.closed_at,
    )
    if len(later) < horizon:
        return np.nan, None
    end = later[horizon - 1]
    went = np.nan if end.close == bar.close else float(end.close > bar.close)
    return went, end.closed_at


def is_live(forecast: Forecast, at: datetime, closes: Sequence[datetime], lifetime: int) -> bool:
    """Whether a forecast is live at a close; ``closes`` are all of the symbol's, in order."""
    if forecast.at > at or (forecast.expires_at is not None and forecast.expires_at <= at):
        return False
    return bisect_right(closes, at) - bisect_left(closes, forecast.at) <= lifetime


def decide(
    bars: Sequence[Bar],
    forecasts: Sequence[Forecast],
    heard_of: dict[str, datetime],
    stages: Sequence[Stage] = (),
    *,
    horizon: int,
    lifetime: int,
) -> tuple[list[Decision], dict[tuple[int, str], float], tuple[float, float]]:
    """Decisions, weights by day and expert, and the final regret with its bound.

    ``heard_of`` says when each expert was registered or first spoke; ``stages`` are in order.
    """
    experts = sorted(heard_of)
    joined = np.array([day_number(heard_of[expert]) + 1 for expert in experts])

    def pool(day: int) -> Booleans:
        decides = [stage_of(expert, stages, day) == "champion" for expert in experts]
        deciding: Booleans = (joined <= day) & np.array(decides)
        return deciding

    mine = own_bars(bars)
    closes = {bar.symbol: [b.closed_at for b in mine if b.symbol == bar.symbol] for bar in mine}
    rows, places, contributors = [], [], []
    for bar in sorted(mine, key=lambda bar: (bar.closed_at, bar.symbol)):
        day = day_number(bar.closed_at)
        row, live = np.full(len(experts), 0.5), np.zeros(len(experts), dtype=bool)
        for number, expert in enumerate(experts):
            said = [
                forecast
                for forecast in forecasts
                if forecast.expert == expert
                and forecast.symbol == bar.symbol
                and is_live(forecast, bar.closed_at, closes[bar.symbol], lifetime)
            ]
            if said and joined[number] <= day:
                live[number] = True
                row[number] = max(said, key=lambda f: (f.at, f.id)).probability_up
        if live.any():
            rows.append(row)
            places.append(bar)
            contributors.append(int((live & pool(day)).sum()))
    targets = [target(bar, bars, horizon) for bar in places]
    matrix = np.array(rows)
    outcomes = np.array([went for went, _ in targets])
    decided = np.array([day_number(bar.closed_at) for bar in places])
    resolved = np.array([10**9 if at is None else day_number(at) for _, at in targets])
    made = np.array(contributors) > 0
    probabilities = averages(matrix, outcomes, decided, resolved, pool)
    decisions = [
        Decision(
            bar.symbol,
            bar.closed_at,
            float(probabilities[n]),
            float(matrix[n, pool(decided[n])].mean()),
            contributors[n],
        )
        for n, bar in enumerate(places)
        if made[n]
    ]
    days = [day_number(bar.closed_at) for bar in mine]
    weights = {
        (day, expert): float(weight)
        for day in range(max(min(days), int(joined.min())), max(days) + 1)
        for expert, weight, since in zip(
            experts,
            weights_of_day(matrix, outcomes, resolved, pool, day),
            joined,
            strict=True,
        )
        if since <= day
    }
    regret = regret_and_bound(matrix, outcomes, decided, resolved, pool, made, max(days))
    return decisions, weights, regret


@dataclass(frozen=True)
class Case:
    """A BUY or SELL signal with what it is compared by; ``won`` is None where it did neither."""

    id: int
    at: datetime
    model: str
    symbol: str
    direction: str
    bin: int
    relation: str
    won: bool | None
    resolved_at: datetime | None


def similar(case: Case, cases: Sequence[Case], least: int) -> tuple[str, int, int]:
    """The level at which a signal has similar ones, their number and their wins."""
    levels = {
        "symbol": ("model", "direction", "bin", "relation", "symbol"),
        "relation": ("model", "direction", "bin", "relation"),
        "confidence": ("model", "direction", "bin"),
        "direction": ("model", "direction"),
    }
    for level, names in levels.items():
        history = [
            other
            for other in cases
            if other.won is not None
            and other.resolved_at is not None
            and other.resolved_at < case.at
            and all(getattr(other, name) == getattr(case, name) for name in names)
        ]
        if len(history) >= least or level == "direction":
            return level, len(history), sum(bool(other.won) for other in history)
    raise AssertionError
