"""A trader that learns by Q-learning when to be long, flat or short."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from typing import Any

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

from runner.client.records import Episode, Model
from runner.demo.history import Floats, Series
from runner.demo.modules.base import AIModule, Decision, Direction

LOOKBACK = 48  # bars that the state of the market is read from
_SLOW, _FAST = 24, 4  # bars of the two momenta
_SLOW_STEPS = (-1.0, -0.3, 0.3, 1.0)
_FAST_STEPS = (-0.7, 0.7)
_RANGE_STEPS = (0.25, 0.75)
MARKET_STATES = (len(_SLOW_STEPS) + 1) * (len(_FAST_STEPS) + 1) * (len(_RANGE_STEPS) + 1) * 2

POSITIONS: tuple[Direction, ...] = (-1, 0, 1)
_FLAT = 1  # index of the flat position
_START_CAPITAL = 10_000.0
COST = 0.05  # of changing the position by one, in a bar's volatility
_LEAST_RATE = 0.01
_YEAR_SECONDS = 365.0 * 86_400.0
# Observations of either outcome that a state starts with before it is seen.
_PRIOR_OBSERVATIONS = 25.0

States = NDArray[np.int64]


class ReinforcementModule(AIModule):
    """Tabular Q-learning (Watkins 1989) over discretised momentum, volatility and range.

    One table serves all symbols: returns are measured in each symbol's own volatility. A state is
    the market's state times the position held; an action is the next position; the reward is that
    position's next return less the cost of getting there. The learned table stays when the model is
    trained again, and exploration starts lower.

    Args:
        seed: of the exploration.
        name: the model's name.
        window: least bars of a symbol that it learns from.
        memory: bars of each symbol that an episode passes through once there are as many.
        episodes: episodes of a training.
        discount: weight of the next step's value, in 0..1.
        retrain_bars, horizon, is_static: see :class:`AIModule`.
    """

    def __init__(
        self,
        seed: int,
        name: str = "q_trader",
        *,
        window: int = 336,
        memory: int = 720,
        episodes: int = 14,
        discount: float = 0.8,
        retrain_bars: int = 240,
        horizon: int = 12,
        is_static: bool = False,
    ) -> None:
        config = {
            "algorithm": "q_learning",
            "window_bars": window,
            "memory_bars": memory,
            "episodes": episodes,
            "discount": discount,
            "retrain_bars": retrain_bars,
            "horizon_bars": horizon,
            "cost": COST,
            "states": MARKET_STATES * len(POSITIONS),
        }
        super().__init__(
            Model("reinforcement_learning", name, "1.0.0", config),
            window=window,
            retrain_bars=retrain_bars,
            horizon=horizon,
            rest=8,
            least_edge=0.01,
            is_static=is_static,
        )
        self._random = np.random.default_rng(seed)
        self._memory = memory
        self._episodes = episodes
        self._discount = discount
        self._trainings = 0
        # Initial values hold only the cost of moving, so the model does not trade in an unseen
        # state.
        self._values = [
            [-COST * abs(action - held) for action in range(len(POSITIONS))]
            for _ in range(MARKET_STATES)
            for held in range(len(POSITIONS))
        ]
        self._visits = [[0] * len(POSITIONS) for _ in self._values]
        # Robbins and Monro: rates that fall with the visits average the noise of returns away;
        # the floor keeps the table able to follow a changing market.
        rates = 1.0 / np.arange(1, 1001) ** 0.7
        self._rates: list[float] = np.maximum(rates, _LEAST_RATE).tolist()
        self._rise = np.full(MARKET_STATES, 0.5)

    def _learned(self) -> dict[str, Any]:
        return {"values": self._values, "rise": self._rise.tolist()}

    def _learn(self, learned: Mapping[str, Any]) -> None:
        values, rise = np.array(learned["values"]), np.array(learned["rise"])
        if values.shape != (3 * MARKET_STATES, 3) or rise.shape != (MARKET_STATES,):
            raise ValueError("a table of other states")
        self._values, self._rise, self._trainings = values.tolist(), rise, 1

    def _train(self, markets: Sequence[Series], at: datetime) -> Sequence[Episode]:
        # Every market's path has the same length, so that their steps line up.
        bars = min(self._memory, *(len(series) for series in markets)) - LOOKBACK
        paths = [market_states(series, bars) for series in markets]
        moves = [np.diff(series.log_close[-bars:]) for series in markets]
        scales = [float(move.std()) for move in moves]
        rewards = [
            move / scale if scale > 0.0 else np.zeros_like(move)
            for move, scale in zip(moves, scales, strict=True)
        ]
        self._rise = rise_frequency(paths, markets, self.horizon)
        self._trainings += 1
        bars_a_year = float(np.mean([_bars_a_year(series, bars) for series in markets]))
        # The first training explores most; a table that knows something needs less.
        start = 0.6 if self._trainings == 1 else 0.3
        records = []
        for exploration in np.geomspace(start, 0.02, self._episodes).tolist():
            earned, loss = self._episode(paths, rewards, exploration)
            records.append(
                self._record(earned, loss, np.array(scales), bars_a_year, at, exploration, markets)
            )
        return records

    def _episode(
        self, paths: Sequence[States], rewards: Sequence[Floats], exploration: float
    ) -> tuple[Floats, float]:
        """Pass once through every market, learning at each step.

        Returns:
            The rewards, of shape (markets, steps), and the mean absolute temporal difference error.
        """
        earned = np.empty((len(paths), len(rewards[0])))
        error = 0.0
        for row, path, reward in zip(earned, paths, rewards, strict=True):
            row[:], path_error = self._pass(path.tolist(), reward.tolist(), exploration)
            error += path_error
        return earned, error / earned.size

    def _pass(
        self, path: list[int], rewards: list[float], exploration: float
    ) -> tuple[list[float], float]:
        # Plain lists: at this size a loop over them is many times as fast as one over arrays.
        values, visits, rates = self._values, self._visits, self._rates
        last_rate = len(rates) - 1
        explores = (self._random.random(len(rewards)) < exploration).tolist()
        whims = self._random.integers(len(POSITIONS), size=len(rewards)).tolist()
        earned, error, held = [], 0.0, _FLAT
        for step, move in enumerate(rewards):
            state = 3 * path[step] + held
            value = values[state]
            action = whims[step] if explores[step] else value.index(max(value))
            reward = (action - _FLAT) * move - COST * abs(action - held)
            future = max(values[3 * path[step + 1] + action])
            difference = reward + self._discount * future - value[action]
            count = visits[state][action]
            value[action] += rates[min(count, last_rate)] * difference
            visits[state][action] = count + 1
            earned.append(reward)
            error += abs(difference)
            held = action
        return earned, error

    def _record(
        self,
        earned: Floats,
        loss: float,
        scales: Floats,
        bars_a_year: float,
        at: datetime,
        exploration: float,
        markets: Sequence[Series],
    ) -> Episode:
        # An equal part of the capital in every market.
        portfolio = (earned * scales[:, np.newaxis]).mean(axis=0)
        deviation = float(portfolio.std(ddof=1))
        sharpe = None
        if deviation > 0.0:
            sharpe = float(portfolio.mean()) / deviation * math.sqrt(bars_a_year)
        number = self.next_number
        self.next_number += 1
        return Episode(
            episode_number=number,
            total_reward=float(earned.sum()),
            episode_length=earned.size,
            average_loss=loss,
            portfolio_value=_portfolio_value(float(portfolio.sum())),
            sharpe_ratio=sharpe,
            created_at=at,
            training_data={
                "training": self._trainings,
                "symbols": [series.symbol for series in markets],
                "bars": earned.shape[1],
                "exploration": round(exploration, 4),
                "states_seen": sum(any(counts) for counts in self._visits),
            },
        )

    def _decide(self, series: Series, said: Direction) -> Decision | None:
        if not self._trainings:
            return None
        market = int(market_states(series, 1)[0])
        values = self._values[3 * market + said + _FLAT]
        action = values.index(max(values))
        direction = POSITIONS[action]
        edge = 2.0 * float(self._rise[market]) - 1.0
        if not direction and said * edge >= 0.0:
            # Taking profits is no reason to withdraw a forecast that the state still supports.
            return None
        return Decision(
            direction=direction,
            edge=direction * edge,
            target=1.5,
            stop=2.0,
            take=2.5,
            evidence={
                "state": market,
                "advantage": round(values[action] - values[_FLAT], 6),
                "rise_frequency": round(float(self._rise[market]), 6),
            },
        )


def market_states(series: Series, bars: int) -> States:
    """The state of the market at each of the last ``bars`` bars, each from the bars before it.

    Returns:
        Integers in ``range(MARKET_STATES)``, of shape (bars,).
    """
    span = bars + LOOKBACK
    log_close = series.log_close[-span:]
    windows = sliding_window_view(log_close, LOOKBACK + 1)
    moves = np.diff(windows, axis=1)
    deviation = moves.std(axis=1)
    recent = moves[:, -LOOKBACK // 4 :].std(axis=1)
    last = windows[:, -1]
    slow = _ratio(last - windows[:, -1 - _SLOW], deviation * math.sqrt(_SLOW), 0.0)
    fast = _ratio(last - windows[:, -1 - _FAST], deviation * math.sqrt(_FAST), 0.0)
    low, high = windows.min(axis=1), windows.max(axis=1)
    place = _ratio(last - low, high - low, 0.5)
    state = np.searchsorted(_SLOW_STEPS, slow)
    state = state * (len(_FAST_STEPS) + 1) + np.searchsorted(_FAST_STEPS, fast)
    state = state * (len(_RANGE_STEPS) + 1) + np.searchsorted(_RANGE_STEPS, place)
    return np.asarray(state * 2 + (recent > deviation), dtype=np.int64)


def rise_frequency(paths: Sequence[States], markets: Sequence[Series], horizon: int) -> Floats:
    """How often the price rose over the horizon after each state, shrunk towards a half."""
    seen = np.zeros(MARKET_STATES)
    risen = np.zeros(MARKET_STATES)
    for path, series in zip(paths, markets, strict=True):
        log_close = series.log_close[-len(path) :]
        moves = np.sign(log_close[horizon:] - log_close[:-horizon])
        settled = path[:-horizon]
        seen += np.bincount(settled, minlength=MARKET_STATES)
        risen += np.bincount(settled, 0.5 + 0.5 * moves, minlength=MARKET_STATES)
    return (risen + _PRIOR_OBSERVATIONS) / (seen + 2.0 * _PRIOR_OBSERVATIONS)


def _ratio(numerator: Floats, denominator: Floats, otherwise: float) -> Floats:
    # Prices that stand still have no deviation; rounding may leave a trace of one.
    ratio = np.full(numerator.shape, otherwise)
    np.divide(numerator, denominator, out=ratio, where=denominator > 1e-12)
    return ratio


def _bars_a_year(series: Series, bars: int) -> float:
    epoch = series.closed_epoch
    return (bars - 1) * _YEAR_SECONDS / float(epoch[-1] - epoch[-bars])


def _portfolio_value(log_return: float) -> Decimal:
    # Below 1e12, the column's limit, even in an absurd market.
    return Decimal(f"{_START_CAPITAL * math.exp(min(log_return, 18.0)):.8f}")
