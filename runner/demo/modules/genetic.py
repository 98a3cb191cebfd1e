"""A moving-average strategy whose parameters are bred by a genetic algorithm."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

from runner.client.records import Generation, Model
from runner.demo.history import Floats, Series
from runner.demo.modules.base import AIModule, Decision, Direction
from runner.tuning.evolution import Breeder, Individual, Population, best

_RSI_BARS = 14
_FASTEST, _SLOWEST = 3, 72
_COST = 0.05  # of a round trip, in ATRs
_FEWEST_TRADES = 8
_MOST_TRADES = 100
_NO_FITNESS = -1.0
# Trades of either outcome that a class of strength starts with before any trade is seen.
_PRIOR_TRADES = 15.0
_STRENGTH_CLASSES = 3


@dataclass(frozen=True, slots=True)
class Strategy:
    """Parameters of the strategy, decoded from an individual's genes.

    The signal is the gap of the fast over the slow moving average of log prices, in ATRs. It is
    followed (``side`` 1) or faded (-1) where it is wider than ``band`` and the relative strength
    index does not say that the move is over. Barriers are multiples of the ATR.
    """

    fast: int
    slow: int
    side: Direction
    band: float
    rsi_limit: float
    stop: float
    take: float

    @classmethod
    def decode(cls, genes: Sequence[float]) -> Strategy:
        """The strategy of seven genes in 0..1."""
        fast, slow, side, band, limit, stop, take = genes
        fast_bars = round(_between(_FASTEST, 24, fast))
        return cls(
            fast=fast_bars,
            slow=round(_between(fast_bars + 4, _SLOWEST, slow)),
            side=1 if side >= 0.5 else -1,
            band=_between(0.0, 1.5, band),
            rsi_limit=_between(55.0, 90.0, limit),
            stop=_between(0.8, 4.0, stop),
            take=_between(0.8, 5.0, take),
        )


GENES = 7


def _between(low: float, high: float, gene: float) -> float:
    return low + (high - low) * gene


class GeneticModule(AIModule):
    """Genetic search for a strategy's parameters, the same for all symbols.

    The fitness is Van Tharp's system quality number, the square root of the
    number of trades times their mean over their standard deviation, after costs.

    Args:
        seed: of the search.
        name: the model's name.
        window: least bars of a symbol that a strategy is tried on.
        memory: bars of each symbol that it is tried on once there are as many.
        population: individuals of a generation.
        generations: generations of a training.
        retrain_bars, horizon: see :class:`AIModule`.
    """

    def __init__(
        self,
        seed: int,
        name: str = "strategy_breeder",
        *,
        window: int = 336,
        memory: int = 720,
        population: int = 24,
        generations: int = 8,
        retrain_bars: int = 240,
        horizon: int = 24,
    ) -> None:
        config = {
            "algorithm": "genetic_algorithm",
            "window_bars": window,
            "memory_bars": memory,
            "population": population,
            "generations": generations,
            "retrain_bars": retrain_bars,
            "horizon_bars": horizon,
            "cost_atr": _COST,
        }
        super().__init__(
            Model("genetic_optimization", name, "1.0.0", config),
            window=window,
            retrain_bars=retrain_bars,
            horizon=horizon,
            rest=6,
            least_edge=0.01,
        )
        self.memory = memory
        self._population_size = population
        self._generations = generations
        self._breeder = Breeder(seed)
        self._trainings = 0
        self._population: Population = []
        self.strategy: Strategy | None = None
        self._strengths: Floats = np.zeros(_STRENGTH_CLASSES)
        self._edges: Floats = np.zeros(_STRENGTH_CLASSES)

    def _learned(self) -> dict[str, Any]:
        return {
            "genes": list(best(self._population)),
            "strengths": self._strengths.tolist(),
            "edges": self._edges.tolist(),
        }

    def _learn(self, learned: Mapping[str, Any]) -> None:
        genes = [float(gene) for gene in learned["genes"]]
        self.strategy, self._population = Strategy.decode(genes), [Individual(genes)]
        self._strengths, self._edges = np.array(learned["strengths"]), np.array(learned["edges"])

    def _train(self, markets: Sequence[Series], at: datetime) -> Sequence[Generation]:
        bars = min(self.memory, *(len(series) for series in markets))
        arena = _Arena(markets, bars, self.horizon)
        symbols = [series.symbol for series in markets]
        self._trainings += 1
        generations = self._breeder.breed(
            lambda genes: arena.fitness(Strategy.decode(genes)),
            GENES,
            size=self._population_size,
            generations=self._generations,
            veterans=self._population,
        )
        self._population = generations[-1]
        self.strategy = Strategy.decode(best(self._population))
        self._strengths, self._edges = arena.edge_by_strength(self.strategy)
        return [self._record(population, symbols, at) for population in generations]

    def _record(self, population: Population, symbols: list[str], at: datetime) -> Generation:
        fitness = [individual.fitness.values[0] for individual in population]
        number = self.next_number
        self.next_number += 1
        strategy = asdict(Strategy.decode(best(population)))
        return Generation(
            generation_number=number,
            best_fitness=max(fitness),
            average_fitness=math.fsum(fitness) / len(fitness),
            population_diversity=float(np.std(population, axis=0).mean()),
            best_individual={
                "training": self._trainings,
                "symbols": symbols,
                **{
                    name: round(value, 6) if isinstance(value, float) else value
                    for name, value in strategy.items()
                },
            },
            created_at=at,
        )

    def _decide(self, series: Series, said: Direction) -> Decision | None:
        strategy = self.strategy
        if strategy is None:
            return None
        log_close, atr = series.log_close, float(series.atr[-1] / series.close[-1])
        if atr <= 0.0:
            return None
        fast = float(log_close[-strategy.fast :].mean())
        slow = float(log_close[-strategy.slow :].mean())
        gap = (fast - slow) / atr
        index = float(_relative_strength(log_close[-_RSI_BARS - 1 :])[-1])
        direction = int(_directions(strategy, np.array(gap), np.array(index)))
        if not direction:
            return None
        strength = abs(gap)
        return Decision(
            direction=1 if direction > 0 else -1,
            edge=float(np.interp(strength, self._strengths, self._edges)),
            target=0.8 * strategy.take,
            stop=strategy.stop,
            take=strategy.take,
            evidence={
                "fast": strategy.fast,
                "slow": strategy.slow,
                "side": strategy.side,
                "gap_atr": round(gap, 6),
                "rsi": round(index, 4),
            },
        )


def quality(strategy: Strategy, markets: Sequence[Series], bars: int, horizon: int) -> float | None:
    """The system quality number of a strategy on the last ``bars``; None for too few trades."""
    long_enough = [series for series in markets if len(series) >= bars + _SLOWEST]
    if not long_enough:
        return None
    found = _Arena(long_enough, bars + _SLOWEST, horizon).fitness(strategy)
    return None if found == _NO_FITNESS else found


class _Arena:
    """The last ``window`` bars of some symbols, laid out for trying many strategies on them.

    Arrays have one row a symbol and one column for each bar that the slowest average is known at.
    Prices are relative to the close of the bar of entry, in its ATRs.
    """

    def __init__(self, markets: Sequence[Series], window: int, horizon: int) -> None:
        self._window = window
        self._columns = window - _SLOWEST
        closes = [series.log_close[-window:] for series in markets]
        self._sums = np.cumsum([np.insert(close - close[0], 0, 0.0) for close in closes], axis=1)
        self._rsi = np.array([_relative_strength(close)[-self._columns :] for close in closes])
        atr = np.array([(series.atr / series.close)[-self._columns :] for series in markets])
        # In ATRs of a market that stands still, nothing moves.
        self._atr = np.where(atr > 0.0, atr, np.inf)
        # Only bars whose whole horizon has been seen are entered.
        self._enterable = self._columns - horizon
        highs = self._paths([series.high for series in markets], markets, horizon)
        lows = self._paths([series.low for series in markets], markets, horizon)
        self._peaks = np.maximum.accumulate(highs, axis=2)
        self._troughs = np.minimum.accumulate(lows, axis=2)
        self._ends = self._paths([series.close for series in markets], markets, horizon)[:, :, -1]

    def _paths(self, prices: Sequence[Floats], markets: Sequence[Series], horizon: int) -> Floats:
        """The prices of the ``horizon`` bars after each enterable one: (markets, bars, horizon)."""
        after = np.array(
            [sliding_window_view(price[-self._columns + 1 :], horizon) for price in prices]
        )
        entries = np.array(
            [series.close[-self._columns :][: self._enterable] for series in markets]
        )
        atr = self._atr[:, : self._enterable, np.newaxis]
        return np.asarray((after / entries[:, :, np.newaxis] - 1.0) / atr, dtype=np.float64)

    def _average(self, bars: int) -> Floats:
        first, stop = self._window - self._columns + 1, self._window + 1
        totals = self._sums[:, first:stop] - self._sums[:, first - bars : stop - bars]
        return np.asarray(totals / bars, dtype=np.float64)

    def _signals(self, strategy: Strategy) -> tuple[Floats, Floats]:
        """The gap in ATRs and the direction at each bar."""
        gap = (self._average(strategy.fast) - self._average(strategy.slow)) / self._atr
        return gap, _directions(strategy, gap, self._rsi)

    def fitness(self, strategy: Strategy) -> float:
        """The system quality number of the trades entered whenever the direction changes."""
        _, directions = self._signals(strategy)
        changed = (directions[:, 1:] != directions[:, :-1]) & (directions[:, 1:] != 0.0)
        row, column = np.nonzero(changed[:, : self._enterable - 1])
        if len(row) < _FEWEST_TRADES:
            return _NO_FITNESS
        results = self._results(strategy, directions, row, column + 1)
        # Equal wins would make the quality of a few trades infinite.
        deviation = max(0.1, float(results.std()))
        return math.sqrt(min(len(row), _MOST_TRADES)) * float(results.mean()) / deviation

    def _results(
        self,
        strategy: Strategy,
        directions: Floats,
        row: NDArray[np.intp],
        column: NDArray[np.intp],
    ) -> Floats:
        """Results after costs, in ATRs; where a bar touches both barriers, the stop was first."""
        direction = directions[row, column]
        is_long = (direction > 0.0)[:, np.newaxis]
        peaks, troughs = self._peaks[row, column], self._troughs[row, column]
        takes = np.where(is_long, peaks, -troughs) >= strategy.take
        stops = np.where(is_long, troughs, -peaks) <= -strategy.stop
        # Running extremes only grow, so the bars before the first touch are the bars without a
        # touch.
        until_take, until_stop = (~takes).sum(axis=1), (~stops).sum(axis=1)
        results = direction * self._ends[row, column]
        results[takes[:, -1]] = strategy.take
        results[stops[:, -1] & (until_stop <= until_take)] = -strategy.stop
        return results - _COST

    def edge_by_strength(self, strategy: Strategy) -> tuple[Floats, Floats]:
        """How often the price went the strategy's way over the horizon, by the width of the gap.

        Returns:
            The mean widths of equally large classes, ascending, and the edges ``2p - 1`` of each,
            shrunk towards 0; both of shape (3,).
        """
        gap, directions = self._signals(strategy)
        directions = directions[:, : self._enterable]
        active = directions != 0.0
        strengths = np.abs(gap[:, : self._enterable][active])
        wins = np.sign(directions[active] * self._ends[active])
        if len(strengths) < _STRENGTH_CLASSES:
            return np.zeros(_STRENGTH_CLASSES), np.zeros(_STRENGTH_CLASSES)
        classes = np.array_split(np.argsort(strengths, kind="stable"), _STRENGTH_CLASSES)
        edges = [wins[members].sum() / (len(members) + 2.0 * _PRIOR_TRADES) for members in classes]
        return np.array([strengths[members].mean() for members in classes]), np.array(edges)


def _directions(strategy: Strategy, gap: Floats, rsi: Floats) -> Floats:
    """1 to buy, -1 to sell and 0 for neither; of the shape of ``gap`` and ``rsi``."""
    direction = strategy.side * np.sign(gap) * (np.abs(gap) > strategy.band)
    spent = np.where(direction > 0.0, rsi > strategy.rsi_limit, rsi < 100.0 - strategy.rsi_limit)
    return np.where(spent, 0.0, direction)


def _relative_strength(log_close: Floats) -> Floats:
    """Relative strength index over 14 moves, in 0..100, with plain means (Cutler's form).

    Returns:
        Shape (len(log_close) - 14,); 50 where nothing moved.
    """
    moves = sliding_window_view(np.diff(log_close), _RSI_BARS)
    gains = np.maximum(moves, 0.0).sum(axis=1)
    total = np.abs(moves).sum(axis=1)
    index = np.full(total.shape, 50.0)
    np.divide(100.0 * gains, total, out=index, where=total > 0.0)
    return index
