"""The ensemble's reference itself: its loss stays within its bound in made-up markets."""

from __future__ import annotations

import csv
import gzip
import os
from datetime import datetime
from itertools import product
from pathlib import Path

import ensemble as reference
import numpy as np
import pytest

from runner.settings import PROJECT

Floats = reference.Floats

REAL_BARS = Path(os.environ.get("SIGNAL_MARTS_BARS", PROJECT.parent / "shared/data/market"))


def everyone(experts: int) -> reference.Pool:
    return lambda day: np.ones(experts, dtype=bool)


def made_up(
    generator: np.random.Generator, days: int, experts: int, *, skill: float, delay: int
) -> reference.Rounds:
    """A market of coin flips, experts of whom the first has skill, outcomes late by days.

    The last expert joins after some days; another one goes into shadow and comes back, and for some
    days nobody decides.
    """
    decided = np.repeat(np.arange(days), 5)
    outcomes = generator.integers(0, 2, len(decided)).astype(float)
    outcomes[generator.random(len(decided)) < 0.05] = np.nan
    rate = np.where(np.arange(experts) == 0, skill, 0.5)
    is_right = generator.random((len(decided), experts)) < rate
    side = np.where(is_right, 1, -1) * np.where(outcomes == 1, 1, -1)[:, None]
    speaks = generator.random((len(decided), experts)) < 0.7
    forecasts = 0.5 + np.where(speaks, 0.2 * side, 0.0)
    joined = int(generator.integers(0, days // 2 + 1))
    forecasts[decided < joined, -1] = 0.5
    first, last = sorted(generator.integers(1, days, 2))
    nobody = int(generator.integers(0, 10 * days))

    def pool(day: int) -> reference.Booleans:
        deciding = np.full(experts, not nobody <= day < nobody + 2)
        deciding[-1] &= joined <= day
        deciding[1] &= not first <= day < last
        return deciding

    resolved = decided + generator.integers(0, delay + 1, len(decided))
    return reference.Rounds(forecasts, outcomes, decided, resolved, pool)


def made(rounds: reference.Rounds) -> reference.Booleans:
    """The closes at which an expert that decides has a forecast."""
    deciding = np.array([rounds.pool(int(day)) for day in rounds.decided])
    found: reference.Booleans = (deciding & (rounds.forecasts != 0.5)).any(axis=1)
    return found


def test_weights_and_the_best_path_are_those_of_all_paths() -> None:
    generator = np.random.default_rng(1)
    days, experts = 5, 3
    for _ in range(30):
        rounds = made_up(generator, days, experts, skill=0.6, delay=2)
        share = float(generator.choice([0, 0.1, 0.5]))
        walked = reference.walk(rounds, 0, days - 1, share)
        losses = np.pad(rounds.excess_losses(), ((0, 0), (0, 1)))
        states = [walked[day].states for day in range(days)]
        silence = np.arange(experts + 1) == experts
        mass, best = np.zeros(experts + 1), np.full(experts + 1, np.inf)
        for path in product(*(np.flatnonzero(there) for there in states)):
            chance = reference.kernel(silence, states[0], share)[experts, path[0]]
            loss = 0.0
            for day in range(1, days):
                step = reference.kernel(states[day - 1], states[day], share)
                chance *= step[path[day - 1], path[day]]
                loss += losses[rounds.resolved == day - 1, path[day - 1]].sum()
            if chance > 0:
                mass[path[-1]] += chance * np.exp(-loss / 2)
                best[path[-1]] = min(best[path[-1]], loss - 2 * np.log(chance))
        last = walked[days - 1]
        assert last.weights == pytest.approx(mass / mass.sum())
        assert last.losses + last.costs == pytest.approx(best)


def test_the_loss_stays_within_its_bound_in_600_markets() -> None:
    skilled: list[Floats] = []
    level: list[Floats] = []
    days, experts = 60, 6
    for seed in range(600):
        generator = np.random.default_rng(seed)
        rounds = made_up(generator, days, experts, skill=0.7 if seed % 2 else 0.5, delay=seed % 3)
        walked = reference.walk(rounds, 0, days, float(generator.choice([0, 0.01, 0.2])))
        found = reference.regret(rounds, walked, days - 1, made(rounds))
        assert found.ensemble <= found.most
        (skilled if seed % 2 else level).append(walked[days].weights[:-1])
    # The first expert gets the weight if it has skill, and no more than its share if not.
    assert np.mean(skilled, axis=0)[0] > 0.6
    share = np.mean(level, axis=0)[2:-1]
    error = np.std(level, axis=0)[2:-1] / np.sqrt(len(level))
    assert (np.abs(np.mean(level, axis=0)[0] - share.mean()) < 4 * error).all()


def test_without_delay_and_share_the_weights_are_exponential() -> None:
    generator = np.random.default_rng(3)
    for _ in range(100):
        count, experts = 200, 8
        forecasts = generator.random((count, experts))
        outcomes = generator.integers(0, 2, count).astype(float)
        days = np.arange(count)
        # Every outcome is known before the next round's day begins.
        rounds = reference.Rounds(forecasts, outcomes, days, days, everyone(experts))
        walked = reference.walk(rounds, 0, count, 0.0)
        losses = ((forecasts - outcomes[:, None]) ** 2).sum(axis=0)
        expected = np.exp(-losses / 2)
        assert walked[count].weights[:-1] == pytest.approx(expected / expected.sum())
        found = reference.regret(rounds, walked, count - 1)
        assert found.cost + found.delay == pytest.approx(2 * np.log(experts))
        assert found.best_sequence == pytest.approx(found.best_expert)
        assert found.ensemble <= found.most


def changing(seed: int, *, changes: bool) -> reference.Rounds:
    """Six experts who speak at 24 closes a day, of whom one is right in 60%; halfway another."""
    generator = np.random.default_rng(seed)
    days, experts, closes = 400, 6, 24
    decided = np.repeat(np.arange(days), closes)
    outcomes = generator.integers(0, 2, len(decided)).astype(float)
    skilled = np.where(changes & (decided >= days // 2), 1, 0)
    rate = np.where(skilled[:, None] == np.arange(experts), 0.6, 0.48)
    side = np.where(generator.random(rate.shape) < rate, 1, -1)
    forecasts = 0.5 + 0.1 * side * np.where(outcomes == 1, 1, -1)[:, None]
    return reference.Rounds(forecasts, outcomes, decided, decided, everyone(experts))


@pytest.mark.parametrize("changes", [False, True])
def test_fixed_share_follows_a_change_of_regime(changes: bool) -> None:
    gains = []
    for seed in range(8):
        rounds = changing(seed, changes=changes)
        found = [
            reference.regret(rounds, reference.walk(rounds, 0, 400, share), 399)
            for share in (reference.SHARE, 0.0)
        ]
        shared, exponential = found
        assert shared.ensemble <= shared.most
        # Staying with one expert costs so much more than without a share.
        staying = -2 * 399 * np.log(1 - reference.SHARE * 5 / 6)
        assert shared.ensemble <= shared.best_expert + 2 * np.log(6) + staying + shared.delay
        gains.append(exponential.ensemble - shared.ensemble)
    if changes:
        assert min(gains) > 50
    else:
        assert min(gains) > -staying


HORIZON = 12
FIGURES = {
    "spy_1h": (-45.4, -39.0, -17.7, -52.7, -52.7, 0),
    "eurusd_1h": (40.9, 41.2, 33.4, 28.2, 9.7, 1),
    "btcusd_1d": (-5.8, -5.4, -2.7, -10.2, -10.2, 0),
    "ibm_1d": (1.4, 3.7, 3.9, -6.2, -6.2, 0),
}
"""Losses beyond silence, as docs/marts-ensemble.md says: without a share, with the default, with
0.01, of the best expert, of the best sequence, and how often this goes to another expert."""


def on_real_bars(name: str) -> reference.Rounds:
    """Six experts with a confidence of 0.1: always up, always down, and with and against the move.

    The move is that of the price over the last 12 and 60 bars.
    """
    with gzip.open(REAL_BARS / f"{name}.csv.gz", "rt", encoding="utf-8", newline="") as file:
        bars = list(csv.DictReader(file))
    closes = np.array([float(bar["close"]) for bar in bars])
    days = np.array([datetime.fromisoformat(bar["opened_at"]).toordinal() for bar in bars])
    leans = [np.ones(len(closes)), -np.ones(len(closes))]
    for length in (12, 60):
        moved = np.append(np.zeros(length), np.sign(closes[length:] - closes[:-length]))
        leans += [moved, -moved]
    went = closes[HORIZON:] - closes[:-HORIZON]
    outcomes = np.where(went == 0, np.nan, (went > 0).astype(float))
    forecasts = (0.5 + 0.05 * np.array(leans).T)[:-HORIZON]
    return reference.Rounds(forecasts, outcomes, days[:-HORIZON], days[HORIZON:], everyone(6))


@pytest.mark.skipif(
    not REAL_BARS.is_dir(), reason=f"no bar files in {REAL_BARS} (SIGNAL_MARTS_BARS)"
)
@pytest.mark.parametrize("name", FIGURES)
def test_the_bounds_and_figures_on_real_bars(name: str) -> None:
    rounds = on_real_bars(name)
    first, last = int(rounds.decided[0]), int(rounds.decided[-1])
    exponential, shared, quick = (
        reference.regret(rounds, reference.walk(rounds, first, last, share), last)
        for share in (0.0, reference.SHARE, 0.01)
    )
    for each in (exponential, shared, quick):
        assert each.ensemble <= each.most
    found = (
        exponential.ensemble,
        shared.ensemble,
        quick.ensemble,
        shared.best_expert,
        shared.best_sequence,
        shared.switches,
    )
    assert found == pytest.approx(FIGURES[name], abs=0.05)
