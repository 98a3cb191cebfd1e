from __future__ import annotations

import hashlib
from datetime import timedelta
from decimal import Decimal
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from runner.client.records import Bar
from runner.demo.history import History
from runner.demo.market import ASSETS, STARTED_AT, TURN_DAYS, synthetic_market
from runner.demo.modules.cycles import fourier

HOUR = timedelta(hours=1)


@pytest.fixture(scope="module")
def market() -> list[Bar]:
    return synthetic_market(42)


def test_every_symbol_has_a_bar_an_hour(market: list[Bar]) -> None:
    assert len(market) == len(ASSETS) * 24 * 170
    for asset in ASSETS:
        times = [bar.opened_at for bar in market if bar.symbol == asset.symbol]
        assert times[0] == STARTED_AT
        assert {later - earlier for earlier, later in pairwise(times)} == {HOUR}


def test_the_order_is_that_of_closing(market: list[Bar]) -> None:
    assert market == sorted(market, key=lambda bar: (bar.closed_at, bar.symbol))


@settings(deadline=None, max_examples=25)
@given(seed=st.integers(), days=st.integers(1, 4))
def test_bars_are_sound_for_any_seed(seed: int, days: int) -> None:
    bars = synthetic_market(seed, days)
    assert bars == synthetic_market(seed, 4)[: len(bars)]
    last_close: dict[str, Decimal] = {}
    for bar in bars:
        assert 0 < bar.low <= min(bar.open, bar.close) <= max(bar.open, bar.close) <= bar.high
        assert bar.volume > 0
        assert bar.open == last_close.get(bar.symbol, bar.open)
        last_close[bar.symbol] = bar.close
        assert all(
            int(value.as_tuple().exponent) >= -8 for value in (bar.open, bar.close, bar.volume)
        )


def test_a_seed_gives_the_same_market_on_any_machine() -> None:
    text = "\n".join(f"{bar.symbol} {bar.close} {bar.volume}" for bar in synthetic_market(7, 10))
    digest = hashlib.sha256(text.encode()).hexdigest()
    assert digest == "11f87da06bb69356d6bedcb31d119984747e48eb1e883c37076f9974c07f3444"
    assert synthetic_market(7, 1) != synthetic_market(8, 1)


def test_a_market_of_no_days_is_refused() -> None:
    with pytest.raises(ValueError, match="at least a day"):
        synthetic_market(1, 0)


def test_symbols_move_together_and_storms_last(market: list[Bar]) -> None:
    history = History(market)
    moves = np.array([np.diff(series.log_close) for series in history.values()])
    correlation = np.corrcoef(moves)
    assert correlation[np.triu_indices(len(moves), 1)].min() > 0.15
    size = np.abs(moves)
    clustering = [np.corrcoef(row[1:], row[:-1])[0, 1] for row in size]
    assert float(np.mean(clustering)) > 0.05


def test_every_symbol_has_its_cycle(market: list[Bar]) -> None:
    history = History(market)
    for asset in ASSETS:
        found = fourier(history[asset.symbol].log_close)
        assert found.confidence > 0.95
        assert found.cycles[0].period == pytest.approx(asset.cycle_hours, rel=0.03)


def test_prices_stay_within_an_order_of_magnitude() -> None:
    for seed in range(5):
        for asset, series in zip(ASSETS, History(synthetic_market(seed)).values(), strict=True):
            assert asset.first_price / 10 < series.close.min()
            assert series.close.max() < asset.first_price * 10


def test_trends_end_at_the_turn(market: list[Bar]) -> None:
    """Half a day's move goes on before it, and comes back after it."""
    turn = 24 * TURN_DAYS

    def goes_on(log_close: np.ndarray) -> float:
        moves = log_close[12:] - log_close[:-12]
        return float(np.mean(np.sign(moves[12:]) == np.sign(moves[:-12])))

    for series in History(market).values():
        before, after = series.log_close[:turn], series.log_close[turn:]
        assert goes_on(before) > goes_on(after) + 0.1
