from __future__ import annotations

import json
import math
import random
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from itertools import groupby, pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from runner.client.records import Bar, Episode, Generation, Signal, SpectrumResult
from runner.demo.history import ATR_PERIOD, Floats, History, Series
from runner.demo.market import synthetic_market
from runner.demo.modules import (
    AIModule,
    GeneticModule,
    ReinforcementModule,
    SpectrumModule,
    modules,
)
from runner.demo.modules.base import Calibration, Decision, TrainingRecord, make_signal
from runner.demo.modules.genetic import GENES, Strategy
from runner.demo.modules.spectrum import fourier, wavelet

START = datetime(2025, 1, 1, tzinfo=UTC)
HOUR = timedelta(hours=1)
DAYS = 20

Output = tuple[list[TrainingRecord], list[Signal]]


def replay(module: AIModule, bars: Iterable[Bar]) -> Output:
    history = History()
    training: list[TrainingRecord] = []
    signals: list[Signal] = []
    for at, closed in groupby(bars, key=lambda bar: bar.closed_at):
        for bar in closed:
            history.append(bar)
        if module.is_due(history):
            training += module.retrain(history, at)
        signals += module.signals(history, at)
    return training, signals


def bars_of(
    closes: Sequence[float], symbol: str = "TEST", times: Sequence[datetime] | None = None
) -> list[Bar]:
    """Bars with these closes, each opening at the close before, without shadows."""
    prices = [Decimal(f"{close:.8f}") for close in closes]
    return [
        Bar(
            symbol=symbol,
            timeframe="1h",
            opened_at=times[index] if times else START + index * HOUR,
            open=prices[max(0, index - 1)],
            high=max(prices[max(0, index - 1)], price),
            low=min(prices[max(0, index - 1)], price),
            close=price,
            volume=Decimal(1),
        )
        for index, price in enumerate(prices)
    ]


def walk(size: int, seed: int = 0, deviation: float = 0.01) -> Floats:
    moves = np.random.default_rng(seed).normal(0.0, deviation, size)
    return 100.0 * np.exp(np.cumsum(moves))


def is_finite(*values: float | Decimal | None) -> bool:
    return all(value is None or math.isfinite(value) for value in values)


def check_training(records: Sequence[TrainingRecord]) -> None:
    """What migrations 0005, 0006 and 0007 demand, and that numbers go on without a gap."""
    numbers = []
    for record in records:
        assert record.created_at.tzinfo is not None
        match record:
            case Episode():
                numbers.append(record.episode_number)
                assert record.episode_length >= 0
                assert is_finite(record.total_reward, record.average_loss)
                assert is_finite(record.portfolio_value, record.sharpe_ratio)
                assert record.portfolio_value is None or record.portfolio_value < 10**12
                json.dumps(record.training_data, allow_nan=False)
            case Generation():
                numbers.append(record.generation_number)
                assert is_finite(record.best_fitness, record.average_fitness)
                assert record.best_fitness >= record.average_fitness - 1e-12
                assert record.population_diversity is not None
                assert 0 <= record.population_diversity < math.inf
                json.dumps(record.best_individual, allow_nan=False)
            case SpectrumResult():
                assert record.pattern_confidence is not None
                assert 0 <= record.pattern_confidence <= 1
                assert is_finite(record.anomaly_score)
                json.dumps([record.dominant_frequencies, record.analysis_data], allow_nan=False)
                for cycle in record.dominant_frequencies:
                    assert cycle["period_bars"] > 0
                    assert 0 < cycle["frequency_per_bar"] <= 0.5
                    assert cycle["amplitude"] >= 0
                    assert 0 <= cycle["share"] <= 1
                shares = [cycle["share"] for cycle in record.dominant_frequencies]
                if record.analysis_type != "wavelet":
                    assert shares == sorted(shares, reverse=True)
    assert all(later == earlier + 1 for earlier, later in pairwise(numbers))
    assert [record.created_at for record in records] == sorted(
        record.created_at for record in records
    )


def check_signals(signals: Sequence[Signal], bars: Iterable[Bar]) -> None:
    """What migration 0003 demands, and more: barriers lie on their sides of the last close."""
    closes = {(bar.symbol, bar.closed_at): bar.close for bar in bars}
    keys = [(signal.symbol, signal.created_at) for signal in signals]
    assert len(keys) == len(set(keys))
    for signal in signals:
        close = closes[signal.symbol, signal.created_at]
        assert 0 <= signal.confidence <= 1
        assert signal.expires_at is not None
        assert signal.expires_at > signal.created_at
        json.dumps(signal.metadata, allow_nan=False)
        prices = signal.price_target, signal.stop_loss, signal.take_profit
        if signal.signal_type == "HOLD":
            assert prices == (None, None, None)
            continue
        target, stop, take = prices
        assert target is not None
        assert stop is not None
        assert take is not None
        sign = 1 if signal.signal_type == "BUY" else -1
        assert sign * stop < sign * close < sign * min((target, take), key=lambda p: sign * p)
        for price in (target, stop, take):
            assert 0 < price < 10**12
            assert price == price.quantize(Decimal("1e-8"))


@pytest.fixture(scope="module")
def market() -> list[Bar]:
    return synthetic_market(3, DAYS)


MAKERS: dict[str, Callable[[], AIModule]] = {
    "reinforcement": lambda: ReinforcementModule(5, retrain_bars=72),
    "genetic": lambda: GeneticModule(5, retrain_bars=72),
    "spectrum": lambda: SpectrumModule(5),
}
every_kind = pytest.mark.parametrize("make", MAKERS.values(), ids=list(MAKERS))


@pytest.fixture(scope="module")
def outputs(market: list[Bar]) -> dict[Callable[[], AIModule], Output]:
    return {make: replay(make(), market) for make in MAKERS.values()}


Outputs = dict[Callable[[], AIModule], Output]


@every_kind
def test_records_hold_what_the_tables_demand(
    make: Callable[[], AIModule], outputs: Outputs, market: list[Bar]
) -> None:
    training, signals = outputs[make]
    assert training
    assert {signal.signal_type for signal in signals} >= {"BUY", "SELL"}
    check_training(training)
    check_signals(signals, market)


@every_kind
def test_the_same_seed_says_the_same(
    make: Callable[[], AIModule], outputs: Outputs, market: list[Bar]
) -> None:
    random.seed("another state of the global generator")
    assert replay(make(), market) == outputs[make]


@every_kind
@pytest.mark.parametrize("days", [15, 18])
def test_what_comes_later_changes_nothing_earlier(
    make: Callable[[], AIModule], days: int, outputs: Outputs, market: list[Bar]
) -> None:
    cut = START + timedelta(days=days)
    other = synthetic_market(4, DAYS)
    training, signals = replay(
        make(),
        [one if one.closed_at <= cut else two for one, two in zip(market, other, strict=True)],
    )
    before = outputs[make]
    assert _until(cut, (training, signals)) == _until(cut, before)
    assert signals != before[1]


def _until(cut: datetime, output: Output) -> Output:
    training, signals = output
    return (
        [record for record in training if record.created_at <= cut],
        [signal for signal in signals if signal.created_at <= cut],
    )


def test_the_demo_has_two_versions_of_each_kind() -> None:
    models = [module.model for module in modules(1)]
    assert len({(model.model_name, model.version) for model in models}) == len(models) == 6
    assert len({model.model_type for model in models}) == 3
    json.dumps([dict(model.config) for model in models], allow_nan=False)


SHAPES = {
    "constant": np.full(420, 100.0),
    "constant at the smallest price": np.full(420, 1e-8),
    "alternating": np.resize([100.0, 101.0], 420),
    "alternating wildly": np.resize([1e-8, 9e11], 420),
    "straight": np.linspace(100.0, 200.0, 420),
    "exponential": np.exp(np.linspace(-18.0, 27.0, 420)),
    "a jump": np.repeat([1.0, 1000.0], 210),
    "still, then alive": np.concatenate([np.full(340, 100.0), walk(80)]),
    "alive, then still": np.concatenate([walk(340), np.full(80, 100.0)]),
    "at the tick": np.round(walk(420) * 3e-10, 8) + 1e-8,
    "a sine": 100.0 + 10.0 * np.sin(np.arange(420) / 4.0),
    "few bars": walk(300),
}


@every_kind
@pytest.mark.parametrize("closes", SHAPES.values(), ids=list(SHAPES))
def test_markets_without_sense_do_no_harm(make: Callable[[], AIModule], closes: Floats) -> None:
    bars = bars_of(closes.tolist())
    training, signals = replay(make(), bars)
    check_training(training)
    check_signals(signals, bars)
    if closes.std() == 0.0:
        assert not [signal for signal in signals if signal.signal_type != "HOLD"]


@every_kind
def test_weekends_and_other_gaps_do_no_harm(make: Callable[[], AIModule]) -> None:
    times = [START + index * HOUR + (index // 120) * 48 * HOUR for index in range(500)]
    times[450:] = [time + timedelta(days=400) for time in times[450:]]
    bars = bars_of(walk(500).tolist(), times=times)
    training, signals = replay(make(), bars)
    assert training
    check_training(training)
    check_signals(signals, bars)


@every_kind
def test_symbols_that_differ_in_everything_are_learned_together(
    make: Callable[[], AIModule],
) -> None:
    hourly = bars_of(walk(600, 1).tolist(), "HOURLY")
    daily = [
        replace(bar, timeframe="1d", opened_at=START - timedelta(days=400 - index))
        for index, bar in enumerate(bars_of(walk(430, 2).tolist(), "DAILY"))
    ]
    late = bars_of(walk(50, 3).tolist(), "LATE")
    bars = sorted([*hourly, *daily, *late], key=lambda bar: (bar.closed_at, bar.symbol))
    training, signals = replay(make(), bars)
    assert training
    check_training(training)
    check_signals(signals, bars)
    assert {signal.symbol for signal in signals} <= {"HOURLY", "DAILY"}


@every_kind
def test_only_symbols_that_have_just_closed_are_spoken_of(make: Callable[[], AIModule]) -> None:
    bars = bars_of(walk(400).tolist())
    module, history = make(), History(bars)
    module.retrain(history, bars[-1].closed_at)
    assert not module.signals(history, bars[-1].closed_at + HOUR)


@every_kind
def test_numbers_go_on_from_where_a_resumed_model_stood(make: Callable[[], AIModule]) -> None:
    bars = bars_of(walk(400).tolist())
    module = make()
    module.next_number = 1000
    first = module.retrain(History(bars), bars[-1].closed_at)[0]
    if not isinstance(first, SpectrumResult):
        number = first.episode_number if isinstance(first, Episode) else first.generation_number
        assert number == 1000
        assert module.next_number > 1000


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


@settings(deadline=None)
@given(
    close=st.floats(1e-8, 9e11),
    ranges=st.floats(0.0, 2.0),
    direction=st.sampled_from([-1, 1]),
    edge=st.floats(0.0, 1.0),
    distances=st.tuples(*[st.floats(0.1, 5.0)] * 3),
)
def test_a_signal_has_its_barriers_right_or_is_not_made(
    close: float,
    ranges: float,
    direction: int,
    edge: float,
    distances: tuple[float, float, float],
) -> None:
    price = Decimal(f"{close:.8f}")
    high = min(price * (1 + Decimal(f"{ranges:.8f}")), Decimal(10) ** 12 - 1)
    bar = Bar("TEST", "4h", START, price, max(high, price), price, price, Decimal(0))
    series = Series("TEST", "4h")
    series.append(bar)
    signal = make_signal(Decision(1 if direction > 0 else -1, edge, *distances), series, 6)
    check_signals([signal] if signal else [], [bar])
    if signal:
        assert signal.expires_at == START + timedelta(hours=4 + 24)


def test_a_claim_that_keeps_failing_is_believed_less() -> None:
    calibration = Calibration(prior=0.5)
    for _ in range(200):
        calibration.settle(0.5, 1.0)
    assert calibration.slope == pytest.approx(1.5)
    for _ in range(2000):
        calibration.settle(0.5, -1.0)
    assert calibration.slope == pytest.approx(0.3)
    rng = np.random.default_rng(1)
    honest = Calibration()
    for claim in rng.uniform(-0.8, 0.8, 5000):
        honest.settle(float(claim), 1.0 if rng.random() < 0.5 + claim / 2.0 else -1.0)
    assert honest.slope == pytest.approx(1.0, abs=0.1)


def test_the_average_true_range_is_wilders() -> None:
    series = History(bars_of(walk(50).tolist()))["TEST"]
    true_range = [series.high[0] - series.low[0]]
    for index in range(1, 50):
        last = series.close[index - 1]
        true_range.append(max(series.high[index], last) - min(series.low[index], last))
    expected = float(np.mean(true_range[:ATR_PERIOD]))
    assert series.atr[ATR_PERIOD - 1] == pytest.approx(expected)
    for value, index in zip(true_range[ATR_PERIOD:], range(ATR_PERIOD, 50), strict=True):
        expected += (value - expected) / ATR_PERIOD
        assert series.atr[index] == pytest.approx(expected)


def test_a_view_of_the_past_stays_as_it_was() -> None:
    bars = bars_of(walk(3000).tolist())
    history = History(bars[:1000])
    view = history["TEST"].close
    copy = view.copy()
    for bar in bars[1000:]:
        history.append(bar)
    assert np.array_equal(view, copy)
    assert len(history["TEST"].close) == 3000
    assert history["TEST"].close[-1] == float(bars[-1].close)
    with pytest.raises(ValueError, match="read-only"):
        view[0] = 1.0


def test_bars_are_appended_in_order() -> None:
    bars = bars_of([1.0, 2.0])
    history = History(bars)
    with pytest.raises(ValueError, match="does not follow"):
        history.append(bars[1])
    with pytest.raises(ValueError, match="in the series of TEST 1h"):
        history.append(replace(bars[1], timeframe="1d"))
    with pytest.raises(ValueError, match="no bar has closed"):
        _ = Series("TEST", "1h").closed_at
