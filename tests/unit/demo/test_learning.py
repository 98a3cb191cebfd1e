"""What each of the demo's kinds of AI modules learns, and what it is not fooled by."""

from __future__ import annotations

import math
import random

import numpy as np
import pytest
from demo_worlds import bars_of, replay, walk
from hypothesis import given, settings
from hypothesis import strategies as st

from runner.client.records import Episode, Generation, SpectrumResult
from runner.demo.history import Floats, History
from runner.demo.modules import (
    GeneticModule,
    ReinforcementModule,
    SpectrumModule,
)
from runner.demo.modules.cycles import fourier, wavelet
from runner.demo.modules.genetic import GENES, Strategy


def episodes_on(closes: Floats) -> list[Episode]:
    history = History(bars_of(closes.tolist()))
    module = ReinforcementModule(1, episodes=20)
    records = module.retrain(history, history["TEST"].closed_at)
    return [record for record in records if isinstance(record, Episode)]


def test_q_learning_earns_more_and_more_on_a_market_that_repeats_itself() -> None:
    noise = np.random.default_rng(1).normal(0.0, 0.001, 600)
    closes = 100.0 * np.exp(0.03 * np.sin(np.arange(600) * 2.0 * np.pi / 20.0) + noise)
    episodes = episodes_on(closes)
    rewards = [episode.total_reward for episode in episodes]
    assert np.mean(rewards[-3:]) > np.mean(rewards[:3]) + 50.0
    assert episodes[-1].portfolio_value is not None
    assert episodes[-1].portfolio_value > 20_000
    assert (episodes[-1].sharpe_ratio or 0.0) > (episodes[0].sharpe_ratio or 0.0)


def test_q_learning_does_not_trade_a_market_that_stands_still() -> None:
    last = episodes_on(np.full(400, 100.0))[-1]
    assert last.sharpe_ratio is None
    assert last.portfolio_value == 10_000


def test_the_best_fitness_of_a_training_never_falls() -> None:
    history = History(bars_of(walk(720).tolist()))
    records = GeneticModule(1, generations=12).retrain(history, history["TEST"].closed_at)
    best = [record.best_fitness for record in records if isinstance(record, Generation)]
    assert len(best) == 12
    assert best == sorted(best)
    assert best[-1] > best[0]


def test_the_genetic_search_finds_a_strategy_for_a_market_that_repeats_itself() -> None:
    closes = 100.0 * np.exp(0.05 * np.sin(np.arange(720) * 2.0 * np.pi / 80.0))
    history = History(bars_of(closes.tolist()))
    records = GeneticModule(1).retrain(history, history["TEST"].closed_at)
    last = records[-1]
    assert isinstance(last, Generation)
    assert last.best_fitness > 3.0


def test_the_global_random_generator_is_left_as_it_was() -> None:
    history = History(bars_of(walk(400).tolist()))
    random.seed(99)
    state = random.getstate()
    GeneticModule(1).retrain(history, history["TEST"].closed_at)
    assert random.getstate() == state


@settings(deadline=None)
@given(genes=st.lists(st.floats(0.0, 1.0), min_size=GENES, max_size=GENES))
def test_any_genes_make_a_strategy(genes: list[float]) -> None:
    strategy = Strategy.decode(genes)
    assert 3 <= strategy.fast < strategy.slow <= 72
    assert 50.0 < strategy.rsi_limit <= 90.0
    assert min(strategy.stop, strategy.take) >= 0.8
    assert strategy.band >= 0.0


@pytest.mark.parametrize("period", [12.0, 25.0, 37.0, 60.0])
def test_a_planted_period_is_found(period: float) -> None:
    cycle = 0.02 * np.sin(np.arange(336) * 2.0 * np.pi / period)
    history = History(bars_of((walk(336, 5, 0.0015) * np.exp(cycle)).tolist()))
    results = SpectrumModule(1).retrain(history, history["TEST"].closed_at)
    strongest = {
        result.analysis_type: (result.dominant_frequencies[0], result.pattern_confidence)
        for result in results
        if isinstance(result, SpectrumResult)
    }
    found, confidence = strongest["fourier"]
    assert confidence is not None
    assert confidence > 0.99
    assert found["period_bars"] == pytest.approx(period, rel=0.015)
    assert found["amplitude"] == pytest.approx(0.02, rel=0.25)
    assert strongest["compressed_sensing"][0]["period_bars"] == pytest.approx(period, rel=0.1)
    octaves = math.log2(strongest["wavelet"][0]["period_bars"] / period)
    assert abs(octaves) <= 0.75


def test_noise_is_believed_as_seldom_as_the_test_says() -> None:
    # Under the null hypothesis a p-value is uniform.
    confidences = [fourier(np.log(walk(337, seed))).confidence for seed in range(300)]
    assert np.mean(np.array(confidences) > 0.9) == pytest.approx(0.1, abs=0.05)
    assert np.mean([wavelet(np.log(walk(337, seed))).confidence for seed in range(50)]) < 0.1


def test_a_clear_cycle_is_forecast() -> None:
    closes = 100.0 * np.exp(0.02 * np.sin(np.arange(480) * 2.0 * np.pi / 30.0))
    bars = bars_of((closes * np.exp(0.0005 * walk(480, 1))).tolist())
    _, signals = replay(SpectrumModule(1), bars)
    history = History(bars)["TEST"]
    right = []
    for one in signals:
        index = int(np.searchsorted(history.closed_epoch, one.created_at.timestamp()))
        if one.signal_type != "HOLD" and index + 12 < len(history):
            rises = history.close[index + 12] > history.close[index]
            right.append(rises == (one.signal_type == "BUY"))
    assert len(right) > 5
    assert np.mean(right) > 0.8
