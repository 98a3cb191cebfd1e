from __future__ import annotations

import json
import random
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta
from decimal import Decimal

import numpy as np
import pytest
from demo_worlds import (
    DAYS,
    HOUR,
    START,
    Output,
    bars_of,
    check_signals,
    check_training,
    replay,
    walk,
)
from hypothesis import given, settings
from hypothesis import strategies as st

from runner.client.records import Bar, Episode, SpectrumResult
from runner.demo.history import ATR_PERIOD, Floats, History, Series
from runner.demo.market import synthetic_market
from runner.demo.modules import (
    AIModule,
    GeneticModule,
    ReinforcementModule,
    SpectrumModule,
    modules,
)
from runner.demo.modules.base import Calibration, Decision, make_signal


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
