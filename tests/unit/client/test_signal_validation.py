"""Validation of AI modules' records: kept exactly, or refused with the field's name. No
database."""

from __future__ import annotations

import enum
import itertools
import math
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal
from typing import Any

import children
import numpy as np
import pytest

from runner.client import operations, record_operations, validation
from runner.client.pools import TRADING, PoolLimits
from runner.client.records import Bar, Episode, Generation, Model, Signal, SpectrumResult
from runner.client.values import InvalidRecordError

AT = datetime(2025, 3, 1, 12, tzinfo=UTC)
SIGNAL = Signal(
    symbol="BTCUSD",
    signal_type="BUY",
    confidence=0.75,
    created_at=AT,
    expires_at=AT + timedelta(hours=1),
    price_target=Decimal("101.5"),
    stop_loss=Decimal("99"),
    take_profit=Decimal("103.00000001"),
    metadata={"edge": 0.5},
    model_id=1,
    pattern_id=2,
    idempotency_key="key",
)
MODEL = Model("genetic_optimization", "evolver", "1")
EPISODE = Episode(1, 2.5, 100, 0.1, Decimal("10000.5"), 1.25, AT)
GENERATION = Generation(1, 2.0, 1.0, 0.5, {"fast": 3}, AT)
SPECTRUM = SpectrumResult("BTCUSD", "fourier", ({"period": 24.0},), 0.5, -2.0, AT)
BAR = Bar(
    "BTCUSD", "1h", AT, Decimal(100), Decimal(102), Decimal(99), Decimal(101), Decimal("12.5")
)

ROWS: dict[type, Callable[[Any], validation.Row]] = {
    Signal: lambda signal: validation.signal_row(signal, "made"),
    Model: validation.model_row,
    Episode: lambda episode: validation.episode_row(1, episode),
    Generation: lambda generation: validation.generation_row(1, generation),
    SpectrumResult: lambda result: validation.spectrum_row(1, result),
    Bar: validation.bar_row,
}


class Kind(enum.StrEnum):
    """An enumeration as a module may have its own."""

    BUY = "BUY"


def deep(levels: int) -> dict[str, Any]:
    value: dict[str, Any] = {}
    for _ in range(levels):
        value = {"a": value}
    return value


REFUSED: list[tuple[Any, str, object, str]] = [
    (SIGNAL, "symbol", "", "is empty"),
    (SIGNAL, "symbol", None, "is not a text"),
    (SIGNAL, "symbol", 7, "is not a text"),
    (SIGNAL, "symbol", "BTC\0USD", "NUL"),
    (SIGNAL, "symbol", "BTC\ud800", "surrogate"),
    (SIGNAL, "symbol", "x" * 65, "has 65 characters: at most 64"),
    (SIGNAL, "symbol", "BTCUSD ", "has a blank at an end"),
    (SIGNAL, "symbol", "BTC\tUSD", "a character that nobody sees"),
    (SIGNAL, "signal_type", "buy", "is not one of BUY, SELL, HOLD"),
    (SIGNAL, "signal_type", ["BUY"], "is not one of"),
    (SIGNAL, "confidence", math.nan, "nan is not a finite number"),
    (SIGNAL, "confidence", math.inf, "inf is not a finite number"),
    (SIGNAL, "confidence", 1.01, "1.01 is not in 0 to 1"),
    (SIGNAL, "confidence", -1e-9, "is not in 0 to 1"),
    (SIGNAL, "confidence", True, "is not a float"),
    (SIGNAL, "confidence", "0.5", "is not a float"),
    (SIGNAL, "confidence", None, "is not a float"),
    (SIGNAL, "price_target", 101.5, "is not a Decimal: a float would be rounded"),
    (SIGNAL, "price_target", Decimal("NaN"), "is not a finite number"),
    (SIGNAL, "price_target", Decimal("sNaN"), "is not a finite number"),
    (SIGNAL, "price_target", Decimal("Infinity"), "is not a finite number"),
    (SIGNAL, "price_target", Decimal(0), "is not above 0"),
    (SIGNAL, "price_target", Decimal("-0.5"), "is not above 0"),
    (SIGNAL, "price_target", Decimal("1.5e-18"), "has more than 18 decimals"),
    (SIGNAL, "price_target", Decimal("1e-400"), "has more than 18 decimals"),
    (SIGNAL, "price_target", Decimal(10) ** 20, "is too large"),
    (SIGNAL, "price_target", True, "is not a Decimal"),
    (SIGNAL, "stop_loss", Decimal(104), "of a BUY is not below take_profit"),
    (SIGNAL, "stop_loss", Decimal("103.00000001"), "of a BUY is not below take_profit"),
    (SIGNAL, "created_at", datetime(2025, 3, 1), "has no time zone"),
    (SIGNAL, "created_at", "2025-03-01", "is not a datetime"),
    (SIGNAL, "created_at", datetime(2300, 3, 1, tzinfo=UTC), "is not in the years 1971 to 2199"),
    (SIGNAL, "expires_at", AT, "is not after created_at"),
    (SIGNAL, "expires_at", datetime(2025, 3, 2), "has no time zone"),
    (SIGNAL, "metadata", None, "is not a mapping"),
    (SIGNAL, "metadata", [1], "is not a mapping"),
    (SIGNAL, "metadata", {"a": math.nan}, "has no JSON"),
    (SIGNAL, "metadata", {1: "a"}, "a key that is not a text"),
    (SIGNAL, "metadata", {"a": "b\0"}, "NUL"),
    (SIGNAL, "metadata", {"a\0": "b"}, "NUL"),
    (SIGNAL, "metadata", {"a": "\udfff"}, "surrogate"),
    (SIGNAL, "metadata", {"a": 10**400}, "is larger than any double"),
    (SIGNAL, "metadata", {"a": [1e300] * 300}, "bytes of JSON: at most 65536"),
    (SPECTRUM, "dominant_frequencies", ({"period": 10**101},), "is neither 0 nor of"),
    (SIGNAL, "metadata", {"a": "x" * 65_536}, "bytes of JSON: at most 65536"),
    (SIGNAL, "metadata", {"a": "ü" * 32_768}, "bytes of JSON: at most 65536"),
    (SIGNAL, "model_id", None, "is missing"),
    (SIGNAL, "model_id", 0, "is not an id"),
    (SIGNAL, "model_id", 2**63, "is not an id"),
    (SIGNAL, "model_id", 1.0, "is not an integer"),
    (SIGNAL, "pattern_id", 2.0, "is not an integer, a text or a UUID"),
    (SIGNAL, "pattern_id", True, "is not an integer, a text or a UUID"),
    (SIGNAL, "pattern_id", 0, "is not an id"),
    (SIGNAL, "pattern_id", "", "is empty"),
    (SIGNAL, "pattern_id", "k" * 201, "at most 200"),
    (SIGNAL, "idempotency_key", "", "is empty"),
    (SIGNAL, "idempotency_key", "k" * 201, "at most 200"),
    (MODEL, "model_type", "Oracle", "is not a word"),
    (MODEL, "model_name", "", "is empty"),
    (MODEL, "version", 1, "is not a text"),
    (MODEL, "config", "{}", "is not a mapping"),
    (EPISODE, "episode_number", -1, "is not in 0 to 2147483647"),
    (EPISODE, "episode_number", True, "is not an integer"),
    (EPISODE, "total_reward", math.inf, "is not a finite number"),
    (EPISODE, "total_reward", 2**2000, "does not fit a float"),
    (EPISODE, "episode_length", 2**31, "is not in 0 to"),
    (EPISODE, "portfolio_value", Decimal("-1e15"), "is too large"),
    (EPISODE, "average_loss", 5e-324, "is neither 0 nor of a magnitude from 1e-100"),
    (GENERATION, "best_fitness", -1.7e308, "is neither 0 nor of a magnitude"),
    (EPISODE, "sharpe_ratio", math.nan, "is not a finite number"),
    (GENERATION, "population_diversity", -0.1, "is negative"),
    (GENERATION, "best_fitness", 2**53 + 1, "does not fit a float exactly"),
    (GENERATION, "best_individual", None, "is not a mapping"),
    (SPECTRUM, "analysis_type", "tarot", "is not one of fourier"),
    (SPECTRUM, "pattern_confidence", 2.0, "is not in 0 to 1"),
    (SPECTRUM, "dominant_frequencies", {"period": 24.0}, "is not a tuple"),
    (BAR, "timeframe", "1 hour", "is not a number and m, h, d or w"),
    (BAR, "low", Decimal(101), "is above open 100"),
    (BAR, "high", Decimal(100), "is below open 100 or close 101"),
    (BAR, "volume", Decimal(-1), "is negative"),
    (BAR, "volume", Decimal(10) ** 20, "is too large"),
    (BAR, "open", Decimal(0), "is not above 0"),
]


@pytest.mark.parametrize(("record", "field", "value", "reason"), REFUSED)
def test_what_cannot_be_kept_is_refused_by_name(
    record: Any, field: str, value: object, reason: str
) -> None:
    with pytest.raises(InvalidRecordError) as caught:
        ROWS[type(record)](replace(record, **{field: value}))
    assert caught.value.field.startswith(field)
    assert reason in str(caught.value)
    # A message can be printed and logged, whatever stood in the record.
    assert len(str(caught.value).encode()) < 600


def test_a_sells_stop_lies_above() -> None:
    sell = replace(SIGNAL, signal_type="SELL")
    with pytest.raises(InvalidRecordError, match="of a SELL is not above take_profit"):
        validation.signal_row(sell, "made")
    validation.signal_row(replace(sell, stop_loss=Decimal(104)), "made")


@pytest.mark.parametrize("record", [SIGNAL, MODEL, EPISODE, GENERATION, SPECTRUM, BAR])
def test_good_records_have_a_value_a_column(record: Any) -> None:
    columns = {
        Signal: validation.SIGNAL_COLUMNS,
        Model: validation.MODEL_COLUMNS,
        Episode: validation.EPISODE_COLUMNS,
        Generation: validation.GENERATION_COLUMNS,
        SpectrumResult: validation.SPECTRUM_COLUMNS,
        Bar: validation.BAR_COLUMNS,
    }[type(record)]
    row = dict(zip(columns, ROWS[type(record)](record), strict=True))
    for column, value in row.items():
        if hasattr(record, column) and not isinstance(value, str):
            assert value == getattr(record, column)


@pytest.mark.parametrize(
    "price", ["0.00000001", "999999999999.99999999", "1E+5", "100.0000000000000000000000"]
)
def test_exact_prices_are_kept(price: str) -> None:
    row = validation.signal_row(
        replace(SIGNAL, price_target=Decimal(price), stop_loss=None), "made"
    )
    assert row[5] == Decimal(price)


def test_other_libraries_numbers_are_kept() -> None:
    given: dict[str, Any] = {
        "model_id": np.int64(7),
        "confidence": np.float32(0.5),
        "price_target": 7,
        "metadata": {"edge": np.float32(0.25), "bars": np.int64(3), "list": (np.float64(1.5),)},
    }
    signal = replace(SIGNAL, **given)
    row = dict(zip(validation.SIGNAL_COLUMNS, validation.signal_row(signal, "made"), strict=True))
    assert row["model_id"] == 7
    assert row["confidence"] == 0.5
    assert row["price_target"] == 7
    assert row["metadata"] == '{"edge": 0.25, "bars": 3, "list": [1.5]}'


def test_an_enumerations_value_is_what_is_kept() -> None:
    given: dict[str, Any] = {"signal_type": Kind.BUY, "symbol": Kind.BUY}
    row = validation.signal_row(replace(SIGNAL, **given), "made")
    assert type(row[2]) is type(row[3]) is str
    assert row[2:4] == ("BUY", "BUY")


def test_backslashes_are_not_taken_for_a_nul() -> None:
    text = "\\u0000"
    assert validation.model_row(replace(MODEL, config={"a": text}))[3] == '{"a": "\\\\u0000"}'
    with pytest.raises(InvalidRecordError, match="NUL"):
        validation.model_row(replace(MODEL, config={"a": "\\\0"}))


def test_json_is_refused_where_it_stands() -> None:
    with pytest.raises(InvalidRecordError) as caught:
        validation.model_row(replace(MODEL, config={"layers": [{"size": Decimal(3)}]}))
    assert caught.value.field == "config.layers[0].size"
    with pytest.raises(InvalidRecordError, match="nested deeper than 64"):
        validation.model_row(replace(MODEL, config=deep(10_000)))
    validation.model_row(replace(MODEL, config=deep(60)))


def test_any_zone_is_kept() -> None:
    there = timezone(timedelta(hours=5, minutes=45))
    row = validation.signal_row(replace(SIGNAL, created_at=AT.astimezone(there)), "made")
    assert row[11] == AT


def test_a_bulk_call_names_the_place() -> None:
    with pytest.raises(InvalidRecordError) as caught:
        operations.StoreSignals(
            [
                replace(SIGNAL, idempotency_key=None),
                replace(SIGNAL, idempotency_key=None, confidence=2.0),
            ]
        )
    assert str(caught.value) == "signal 1: confidence 2.0 is not in 0 to 1"
    assert (caught.value.index, caught.value.field, caught.value.value) == (1, "confidence", 2.0)
    with pytest.raises(InvalidRecordError, match="signal 1: idempotency_key 'key' is that of"):
        operations.StoreSignals([SIGNAL, SIGNAL])
    with pytest.raises(InvalidRecordError, match="episode 1: episode_number 1 is that of episode"):
        record_operations.store_records(validation.EPISODES, 1, [EPISODE, EPISODE])
    with pytest.raises(InvalidRecordError, match="bar 1: opened_at 'BTCUSD 1h 2025"):
        record_operations.StoreBars([BAR, BAR])


def test_a_pool_names_its_session() -> None:
    assert "-c role=ai_writer" in TRADING.options()
    assert "role" not in PoolLimits("x", None).options()
    assert "-c lock_timeout=5000" in TRADING.options()


def test_importing_it_loads_neither_dbt_nor_the_command_line() -> None:
    code = (
        "import sys, runner.client; "
        "print(sorted({'dbt', 'click', 'yoyo', 'rich', 'numpy'} & set(sys.modules)))"
    )
    result = children.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert result.stdout.strip() == "[]"


def test_new_keys_follow_one_another(monkeypatch: pytest.MonkeyPatch) -> None:
    """Side by side in their index, and no two the same, also in one millisecond."""
    times = [second * 10**9 for second in range(10**9, 2 * 10**9, 10**8)]
    ticks = iter([at for at in times for _ in range(100)])
    with monkeypatch.context() as patch:
        patch.setattr(time, "time_ns", lambda: next(ticks))
        keys = [operations._new_key() for _ in range(1000)]
    assert len(set(keys)) == 1000
    assert {len(key) for key in keys} == {32}
    rounds = [keys[first : first + 100] for first in range(0, 1000, 100)]
    assert all(max(one) < min(other) for one, other in itertools.pairwise(rounds))
