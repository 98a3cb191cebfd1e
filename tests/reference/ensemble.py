"""The ensemble by brute force, the reference for its marts. Nothing here is fast or clever."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]
Booleans = NDArray[np.bool_]
Pool = Callable[[int], Booleans]
"""The experts that decide on a day."""


SHARE = 0.001


@dataclass(frozen=True)
class Rounds:
    """What was said at each close, and what came of it.

    Attributes:
        forecasts: (rounds, experts), 0.5 for silence, also before an expert joined.
        outcomes: (rounds,), 1 for up and 0 for down; NaN is no round.
        decided: (rounds,), the day of the close, in order.
        resolved: (rounds,), the day on which the outcome was known.
        pool: the experts that decide on a day, (experts,).
    """

    forecasts: Floats
    outcomes: Floats
    decided: Integers
    resolved: Integers
    pool: Pool

    @property
    def scored(self) -> Booleans:
        scored: Booleans = ~np.isnan(self.outcomes)
        return scored

    def excess_losses(self) -> Floats:
        """(rounds, experts), beyond those of silence, which an expert that does not decide has."""
        losses = (self.forecasts - self.outcomes[:, None]) ** 2 - 0.25
        losses[~self.scored] = 0
        losses *= np.array([self.pool(int(day)) for day in self.decided])
        return losses

    def up_to(self, day: int, made: Booleans | None = None) -> Rounds:
        """The rounds with an outcome that were decided up to a day."""
        kept = self.scored & (self.decided <= day) & (True if made is None else made)
        return replace(
            self,
            forecasts=self.forecasts[kept],
            outcomes=self.outcomes[kept],
            decided=self.decided[kept],
            resolved=self.resolved[kept],
        )


@dataclass(frozen=True)
class Day:
    """The state of a day; arrays are (experts + 1,), the last one is silence.

    ``losses``, ``costs`` and ``switches`` are those of the best path to each; infinite: no path.
    """

    states: Booleans
    weights: Floats
    moved: float
    losses: Floats
    costs: Floats
    switches: Integers


def states_of(pool: Pool, day: int) -> Booleans:
    """The experts that decide, or silence where nobody does."""
    deciding = pool(day)
    return np.append(deciding, not deciding.any())


def kernel(before: Booleans, after: Booleans, share: float) -> Floats:
    """The probability that a path goes from a state to another one, (states, states).

    Fixed share (Herbster and Warmuth 1998) among those that decide: whoever no longer decides is
    left for any of them, and to each that begins to decide 1/N of the paths go.
    """
    count, newcomers = after.sum(), after & ~before
    result = np.zeros((len(after), len(after)))
    for state in np.flatnonzero(before):
        if not after[state]:
            result[state, after] = 1 / count
            continue
        result[state, newcomers] = 1 / count
        result[state, after & before] = share / count
        result[state, state] += (1 - share) * (1 - newcomers.sum() / count)
    return result


def walk(rounds: Rounds, first: int, last: int, share: float = SHARE) -> dict[int, Day]:
    """The weights and the best paths of each day: forward and Viterbi algorithms, day by day."""
    losses = rounds.excess_losses()
    count = losses.shape[1] + 1
    silent = np.arange(count) == count - 1
    paths = np.where(silent, 0, np.inf)
    # The first expert of a path is no switch.
    day = Day(silent, 1.0 * silent, 0.0, paths, paths, -silent.astype(np.int64))
    result: dict[int, Day] = {}
    for date in range(first, last + 1):
        new = np.append(losses[rounds.resolved == date - 1].sum(axis=0), 0)
        after = states_of(rounds.pool, date)
        step = kernel(day.states, after, share)
        with np.errstate(divide="ignore", invalid="ignore"):
            earned = np.where(day.weights > 0, np.log(day.weights) - new / 2, -np.inf)
            costs = -2 * np.log(step)
        earned = np.exp(earned - earned.max())
        earned /= earned.sum()
        weights = earned @ step
        # The way to silence counts as a whole, the way back does not.
        kept = weights if day.states[-1] else np.minimum(weights, earned)
        known = day.losses + new
        best = (known + day.costs)[:, None] + costs
        came = best.argmin(axis=0)
        reached = np.isfinite(best.min(axis=0))
        day = Day(
            after,
            weights,
            1 - float(kept[:-1].sum()),
            np.where(reached, known[came], np.inf),
            np.where(reached, day.costs[came] + costs[came, np.arange(count)], np.inf),
            day.switches[came] + (~silent & (came != np.arange(count))),
        )
        result[date] = day
    return result


def averages(rounds: Rounds, days: Mapping[int, Day]) -> Floats:
    """The ensemble's probability in every round, (rounds,)."""
    weights = np.array([days[int(day)].weights[:-1] for day in rounds.decided])
    result: Floats = (rounds.forecasts * weights).sum(axis=1)
    return result


def unresolved_rounds(decided: Integers, resolved: Integers) -> int:
    """M: for every round, the earlier ones that its weights do not know. Rounds are in order."""
    return sum(int((resolved[:number] >= decided[number]).sum()) for number in range(len(decided)))


@dataclass(frozen=True)
class Regret:
    """Losses beyond silence up to a day, and the most that the ensemble's can be."""

    ensemble: float
    best_expert: float | None
    best_sequence: float
    switches: int
    cost: float
    delay: float

    @property
    def most(self) -> float:
        return self.best_sequence + self.cost + self.delay


def regret(
    rounds: Rounds, days: Mapping[int, Day], last: int, made: Booleans | None = None
) -> Regret:
    """The ensemble up to a day, the best expert that decides on it, and the best path.

    ``made`` are the rounds that were decided, (rounds,); by default all.
    """
    own = rounds.up_to(last, made)
    ensemble = (averages(own, days) - own.outcomes) ** 2 - 0.25
    deciding = rounds.pool(last)
    total = own.excess_losses().sum(axis=0)[deciding]
    # Outcomes that were not known before the day are losses of the path's last expert.
    waiting = own.excess_losses()[own.resolved >= last].sum(axis=0)
    losses = days[last].losses + np.append(waiting * deciding, 0)
    best = int((losses + days[last].costs).argmin())
    moved = sum(
        day.moved * int(((own.decided < date) & (own.resolved >= date)).sum())
        for date, day in days.items()
        if date <= last
    )
    return Regret(
        float(ensemble.sum()),
        float(total.min()) if deciding.any() else None,
        float(losses[best]),
        int(days[last].switches[best]),
        float(days[last].costs[best]),
        unresolved_rounds(own.decided, own.resolved) / 4 + 2 * moved,
    )


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
    share: float = SHARE,
) -> tuple[list[Decision], dict[tuple[int, str], float], dict[int, Regret]]:
    """Decisions, weights by day and expert, and the regret of each day with a round before it.

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
    rounds = Rounds(matrix, outcomes, decided, resolved, pool)
    days = [day_number(bar.closed_at) for bar in mine]
    walked = walk(rounds, max(min(days), int(joined.min())), max(days), share)
    probabilities = averages(rounds, walked)
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
    weights = {
        (date, expert): float(weight)
        for date, day in walked.items()
        for expert, weight, since in zip(experts, day.weights[:-1], joined, strict=True)
        if since <= date
    }
    first_round = decided[made & rounds.scored].min()
    regrets = {date: regret(rounds, walked, date, made) for date in walked if date >= first_round}
    return decisions, weights, regrets


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
