from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from runner.client.records import Bar
from runner.demo.history import Series
from runner.demo.market import synthetic_market
from runner.demo.patterns import LEAST_CONFIDENCE, LOOKBACK, Pattern, detect

STARTED_AT = datetime(2025, 1, 1, tzinfo=UTC)
HOUR = timedelta(hours=1)


def make_series(rows: list[tuple[float, float, float, float]]) -> Series:
    """Hourly bars of (open, high, low, close)."""
    series = Series("TEST", "1h")
    for number, row in enumerate(rows):
        first, high, low, last = (Decimal(repr(price)) for price in row)
        opened_at = STARTED_AT + number * HOUR
        series.append(Bar("TEST", "1h", opened_at, first, high, low, last, Decimal(1000)))
    return series


def closes(values: list[float]) -> list[tuple[float, float, float, float]]:
    """Bars that open at the last close and reach half a unit beyond their body."""
    opens = [values[0], *values[:-1]]
    return [
        (first, max(first, last) + 0.5, min(first, last) - 0.5, last)
        for first, last in zip(opens, values, strict=True)
    ]


def mirrored(
    rows: list[tuple[float, float, float, float]],
) -> list[tuple[float, float, float, float]]:
    return [(200 - first, 200 - low, 200 - high, 200 - last) for first, high, low, last in rows]


def found_in(rows: list[tuple[float, float, float, float]]) -> set[tuple[str, str]]:
    return {(pattern.pattern_type, pattern.signal) for pattern in detect(make_series(rows))}


QUIET = [100.0, 100.25] * 20
RISING = [100 + 0.5 * number for number in range(40)]
EXAMPLES = {
    "breakout": closes([*QUIET, 103.0]),
    "engulfing": [*closes(QUIET), (100.25, 100.5, 99.2, 99.5), (99.25, 101.5, 99.0, 101.25)],
    "ma_cross": closes([*[104 - 0.1 * number for number in range(40)], 120.0]),
    "mean_reversion": closes([*QUIET, 96.0]),
    "pullback": [*closes(RISING), (119.5, 120.0, 116.0, 119.0)],
}


@pytest.mark.parametrize("pattern_type", EXAMPLES)
def test_each_pattern_is_found_and_mirrored(pattern_type: str) -> None:
    rows = EXAMPLES[pattern_type]
    assert (pattern_type, "BUY") in found_in(rows)
    assert (pattern_type, "SELL") in found_in(mirrored(rows))


def test_a_breakout_is_reported_once() -> None:
    series = make_series(closes([*QUIET, 103.0, 106.0]))
    assert "breakout" not in {pattern.pattern_type for pattern in detect(series)}


def test_nothing_is_found_in_too_short_or_unmoving_markets() -> None:
    assert detect(make_series(closes(QUIET)[: LOOKBACK - 1])) == []
    assert detect(make_series([(100.0, 100.0, 100.0, 100.0)] * 60)) == []


prices = st.lists(
    st.integers(min_value=-60, max_value=60), min_size=LOOKBACK, max_size=LOOKBACK + 30
)


@settings(deadline=None)
@given(prices)
def test_patterns_are_known_at_the_close_and_confident_within_bounds(steps: list[int]) -> None:
    values = [5000.0]
    for step in steps:
        values.append(values[-1] + step)
    series = make_series(closes(values))
    found = detect(series)
    assert all(pattern.created_at == series.closed_at for pattern in found)
    assert all(LEAST_CONFIDENCE <= pattern.confidence <= 1 for pattern in found)
    assert len({pattern.pattern_type for pattern in found}) == len(found)


def test_later_bars_change_no_pattern() -> None:
    def patterns(days: int) -> list[Pattern]:
        found = []
        series: dict[str, Series] = {}
        for bar in synthetic_market(7, days):
            series.setdefault(bar.symbol, Series(bar.symbol, bar.timeframe)).append(bar)
            found += detect(series[bar.symbol])
        return found

    long = patterns(10)
    cut = STARTED_AT + timedelta(days=6)
    assert patterns(6) == [pattern for pattern in long if pattern.created_at <= cut]
    assert {pattern.pattern_type for pattern in long} == set(EXAMPLES)
