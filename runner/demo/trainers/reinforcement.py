"""Learns from decisions of the past, its own and others', without trading."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

import numpy as np
from numpy.typing import NDArray

from runner.client.records import Episode
from runner.demo.history import Floats, Series
from runner.demo.modules.reinforcement import (
    COST,
    LOOKBACK,
    MARKET_STATES,
    POSITIONS,
    ReinforcementModule,
    States,
    market_states,
    rise_frequency,
)
from runner.demo.trainers.knowledge import (
    PastDecision,
    history_until,
    numbers,
    past_decisions,
    read_bars,
)
from runner.errors import UsageError
from runner.retraining.trainers import Assignment, Candidate, Progress

_FEWEST = 30
# Standard errors by which an action's value must beat that of an action that nobody took.
_PESSIMISM = 1.0
# Decisions whose values are the prior's, before any is seen.
_PRIOR = 5.0
_HELD_BACK = 0.25


@dataclass(frozen=True, slots=True)
class _Transitions:
    """What was done where, and what came of it; arrays of shape (decisions,), by time.

    States are the market's; actions index ``POSITIONS``; rewards are before costs, in the symbol's
    usual move over the horizon; times are in seconds since 1970.
    """

    states: NDArray[np.int64]
    actions: NDArray[np.int64]
    rewards: Floats
    next_states: NDArray[np.int64]
    decided_at: Floats
    known_at: Floats

    def where(self, chosen: NDArray[np.bool_]) -> _Transitions:
        return _Transitions(
            self.states[chosen],
            self.actions[chosen],
            self.rewards[chosen],
            self.next_states[chosen],
            self.decided_at[chosen],
            self.known_at[chosen],
        )

    def __len__(self) -> int:
        return len(self.rewards)


def train(assignment: Assignment, progress: Progress) -> Candidate:
    """Fitted Q iteration over recorded decisions; options are ``episodes``, ``discount`` and such.

    Batch learning from others' decisions: Ernst, Geurts and Wehenkel (2005). An action is valued
    by a lower bound of its mean, so that one that was hardly ever taken is not believed to be good
    (Jin, Yang and Wang 2021). The last quarter of the decisions is first held back: the rewards of
    those with which the learned policy agrees, beside those of all, stand in the configuration (the
    replay method of Li et al. 2011).

    Raises UsageError with fewer than 30 decisions whose outcome is known.
    """
    given = numbers(
        assignment, "window", "memory", "episodes", "discount", "horizon", "retrain_bars"
    )
    module = ReinforcementModule(assignment.seed, assignment.model_name, **given)
    config = module.model.config
    history = history_until(read_bars(assignment.training_set), assignment.as_of)
    markets = {symbol: series for symbol, series in history.items() if len(series) >= module.window}
    progress(0.2, "reading decisions")
    decisions = past_decisions(assignment.training_set)
    transitions = _transitions(decisions, markets, module.horizon)
    if len(transitions) < _FEWEST:
        raise UsageError(
            f"{len(transitions)} decisions have a known outcome and bars to learn from;"
            f" {_FEWEST} are needed"
        )
    progress(0.5, "trying it on the last decisions")
    since = float(np.quantile(transitions.decided_at, 1.0 - _HELD_BACK))
    later = transitions.where(transitions.decided_at >= since)
    tried, _ = _learn(transitions.where(transitions.known_at < since), config, assignment.as_of, [])
    agrees = tried[3 * later.states + 1].argmax(axis=1) == later.actions

    progress(0.7, "learning")
    values, records = _learn(transitions, config, assignment.as_of, sorted(markets))
    # Every series as long as the shortest, so that no market outweighs another.
    bars = min(config["memory_bars"], *(len(series) for series in markets.values())) - LOOKBACK
    chosen = [markets[symbol] for symbol in sorted(markets)]
    rise = rise_frequency(
        [market_states(series, bars) for series in chosen], chosen, module.horizon
    )
    artifact = json.dumps({"values": values.tolist(), "rise": rise.tolist()}, separators=(",", ":"))
    replayed = {
        "decisions": len(later),
        "agreed": int(agrees.sum()),
        "mean_reward": float(later.rewards.mean()),
        "mean_reward_agreed": float(later.rewards[agrees].mean()) if agrees.any() else None,
    }
    return Candidate(
        {**config, "algorithm": "fitted_q_iteration", "replayed": replayed},
        artifact.encode(),
        records,
    )


def _transitions(
    decisions: Sequence[PastDecision], markets: Mapping[str, Series], horizon: int
) -> _Transitions:
    """The decisions that fell where the market's state was known."""
    paths: dict[str, tuple[States, float]] = {}
    for symbol, series in markets.items():
        moves = series.log_close[horizon:] - series.log_close[:-horizon]
        paths[symbol] = market_states(series, len(series) - LOOKBACK), float(moves.std())
    rows = []
    for decision in decisions:
        if decision.symbol not in markets:
            continue
        series, (path, scale) = markets[decision.symbol], paths[decision.symbol]
        bar = _bar_at(series, decision.at)
        if bar < LOOKBACK or scale <= 0.0:
            continue
        end = bar + horizon
        if decision.resolved_at is not None:
            end = max(bar + 1, _bar_at(series, decision.resolved_at))
        end = min(end, len(series) - 1)
        rows.append(
            (
                int(path[bar - LOOKBACK]),
                POSITIONS.index(decision.direction),
                decision.return_ / scale,
                int(path[end - LOOKBACK]),
                decision.at.timestamp(),
                float(series.closed_epoch[end]),
            )
        )
    columns = np.array(rows, dtype=np.float64).reshape(-1, 6).T
    states, actions, next_states = columns[[0, 1, 3]].astype(np.int64)
    return _Transitions(states, actions, columns[2], next_states, columns[4], columns[5])


def _bar_at(series: Series, at: datetime) -> int:
    """The last bar that had closed by a moment; -1 if none had."""
    return int(np.searchsorted(series.closed_epoch, at.timestamp(), side="right")) - 1


def _learn(
    transitions: _Transitions, config: Mapping[str, int | float], at: datetime, symbols: list[str]
) -> tuple[Floats, list[Episode]]:
    """The values of actions, of shape (3 * MARKET_STATES, 3), and an episode an iteration.

    A trader moves no market: what an action earns hangs on the state of the market alone, and the
    position held so far adds the cost of leaving it. So all decisions in a state teach the same.
    """
    actions = np.arange(len(POSITIONS))
    costs = COST * np.abs(actions[np.newaxis, :] - actions[:, np.newaxis])  # from, to
    shape = (MARKET_STATES, len(POSITIONS))
    cell = transitions.states * len(POSITIONS) + transitions.actions
    count = np.bincount(cell, minlength=MARKET_STATES * len(POSITIONS)).reshape(shape)
    worth, records = np.zeros(shape), []
    for number in range(1, int(config["episodes"]) + 1):
        future = (worth[transitions.next_states] - costs[transitions.actions]).max(axis=1)
        targets = transitions.rewards + float(config["discount"]) * future
        total, square = (
            np.bincount(cell, weights=weights, minlength=count.size).reshape(shape)
            for weights in (targets, targets**2)
        )
        # The prior is of decisions that earn nothing, with the deviation of 1, the unit of rewards.
        mean = total / (count + _PRIOR)
        spread = np.maximum((square + _PRIOR) / (count + _PRIOR) - mean**2, 0.0)
        learned = mean - _PESSIMISM * np.sqrt(spread / (count + _PRIOR))
        learned = np.where(count > 0, learned, 0.0)
        change = float(np.abs(learned - worth)[count > 0].mean())
        worth = learned
        values = (worth[:, np.newaxis, :] - costs).reshape(-1, len(POSITIONS))
        records.append(
            Episode(
                episode_number=number,
                total_reward=float(worth[transitions.states].max(axis=1).sum()),
                episode_length=len(transitions),
                average_loss=change,
                portfolio_value=None,
                sharpe_ratio=None,
                created_at=at,
                training_data={
                    "symbols": symbols,
                    "decisions": len(transitions),
                    "states_seen": int((count.sum(axis=1) > 0).sum()),
                },
            )
        )
    return values, records
