"""Bars, plans and replays for tests of the demo, and what its modules' records must hold."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from itertools import groupby, pairwise
from typing import Any

import numpy as np

from runner.client.records import Bar, Episode, Generation, Signal, SpectrumResult
from runner.demo.history import Floats, History
from runner.demo.modules import AIModule
from runner.demo.orders import Plan
from runner.retraining.trainers import TrainingRecord

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


def make_plan(**given: Any) -> Plan:
    values: dict[str, Any] = {
        "symbol": "TEST",
        "timeframe": "1h",
        "strategy": "breakout",
        "side": "BUY",
        "kind": "MARKET",
        "quantity": Decimal(10),
        "entry_price": Decimal(100),
        "stop_loss": Decimal(95),
        "take_profit": Decimal(110),
        "hold_bars": 5,
        "created_at": START,
    }
    return Plan(**(values | given))
