"""A market made from a seed: trends, ranges, cycles and storms that modules can find or miss."""

from __future__ import annotations

import math
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from random import Random

from runner.client.records import Bar

STARTED_AT = datetime(2025, 1, 1, tzinfo=UTC)
TIMEFRAME = "1h"

_HOUR = timedelta(hours=1)
# In hourly volatilities: the swing of the hourly return that a cycle brings, and a trend's drift.
_CYCLE_SWING = 0.24
_DAY_SWING = 0.12
_TREND_DRIFT = 0.25
_REVERSION = 0.06  # part of the distance to its anchor that a range closes an hour
_RANGES = 0.1  # part of the regimes that are ranges
_REGIME_HOURS = 60.0  # mean life of a regime
TURN_DAYS = 60
"""Days after which trends end, and all prices come back to where they were."""
_REVERSION_AFTER_TURN = 0.1


@dataclass(frozen=True, slots=True)
class Asset:
    """A symbol of the market and its habits.

    ``volatility`` is the standard deviation of an hourly log return, ``market_beta`` its share of
    the market factor's, ``cycle_hours`` the period of a cycle in its price.
    """

    symbol: str
    first_price: float
    decimals: int
    volatility: float
    market_beta: float
    cycle_hours: int
    hourly_volume: float


ASSETS = (
    Asset("ADAUSD", 0.92, 5, 0.0072, 0.60, 30, 2_400_000.0),
    Asset("BTCUSD", 94_500.0, 2, 0.0042, 0.75, 48, 620.0),
    Asset("ETHUSD", 3_380.0, 2, 0.0054, 0.70, 36, 9_800.0),
    Asset("SOLUSD", 192.0, 3, 0.0070, 0.65, 60, 96_000.0),
    Asset("XRPUSD", 2.14, 5, 0.0064, 0.50, 40, 1_300_000.0),
)


def synthetic_market(seed: int, days: int = 170, started_at: datetime = STARTED_AT) -> list[Bar]:
    """Hourly bars of five symbols, around the clock.

    Each price is the sum, in logarithms, of a market factor shared by all, a path of its own that
    changes between trends and ranges, and two cycles: of 24 hours and of the asset's own period.
    After 60 days there are no trends any more: who learned to follow them is wrong from then on.
    Volatility clusters and follows the hour of the day. A market of fewer days is the beginning of
    a longer one.

    Args:
        seed: the same seed gives the same market, on any machine.
        days: days of 24 bars, at least 1.
        started_at: when the first bar opens, with a time zone.

    Returns:
        ``len(ASSETS) * 24 * days`` bars, sorted by the time they closed and then by symbol.

    Raises:
        ValueError: ``days`` is below 1.
    """
    if days < 1:
        raise ValueError(f"a market lasts at least a day, not {days}")
    hours = 24 * days
    market = _factor(_random(seed, "market"), hours)
    columns = [
        _Walk(asset, _random(seed, asset.symbol)).bars(market, started_at) for asset in ASSETS
    ]
    return [bar for at_once in zip(*columns, strict=True) for bar in at_once]


def _random(seed: int, name: str) -> Random:
    # One generator for each symbol, so that a symbol's numbers do not depend on another symbol's
    # draws. The standard library keeps its sequence from version to version; numpy does not promise
    # this.
    return Random(f"{seed} {name}")  # noqa: S311


def _factor(random: Random, hours: int) -> list[tuple[float, float]]:
    """The market's standardised return and its volatility's multiple of normal, hour by hour.

    The variance is a GARCH(1,1) with a long-run mean of 1 (Bollerslev 1986).
    """
    variance, shock = 1.0, 0.0
    factor = []
    for _ in range(hours):
        variance = 0.03 + 0.09 * shock * shock + 0.88 * variance
        shock = math.sqrt(variance) * random.gauss(0.0, 1.0)
        factor.append((shock, math.sqrt(variance)))
    return factor


class _Walk:
    """One asset's price on its way through the hours."""

    def __init__(self, asset: Asset, random: Random) -> None:
        self._asset = asset
        self._random = random
        self._phase = random.uniform(0.0, 2.0 * math.pi)
        self._drift = 0.0
        self._anchor: float | None = None
        self._reversion = _REVERSION
        self._path = 0.0

    def bars(self, market: list[tuple[float, float]], started_at: datetime) -> list[Bar]:
        """A bar for each hour of ``market``."""
        start = math.log(self._asset.first_price) - self._cycles(0)
        log_open = start + self._cycles(0)
        bars = []
        for hour, (shock, storm) in enumerate(market):
            self._move(shock, storm, hour)
            log_close = start + self._path + self._cycles(hour + 1)
            bars.append(self._bar(started_at + hour * _HOUR, log_open, log_close, storm, hour))
            log_open = log_close
        return bars

    def _cycles(self, hour: int) -> float:
        own_turn = 2.0 * math.pi / self._asset.cycle_hours
        day_turn = 2.0 * math.pi / 24.0
        own = _CYCLE_SWING / own_turn * math.sin(own_turn * hour + self._phase)
        daily = _DAY_SWING / day_turn * math.sin(day_turn * hour)
        return self._asset.volatility * (own + daily)

    def _move(self, shock: float, storm: float, hour: int) -> None:
        if hour == 24 * TURN_DAYS:
            self._drift, self._anchor, self._reversion = 0.0, self._path, _REVERSION_AFTER_TURN
        elif hour < 24 * TURN_DAYS and (hour == 0 or self._random.random() < 1.0 / _REGIME_HOURS):
            self._change_regime()
        asset, beta = self._asset, self._asset.market_beta
        own_shock = storm * self._random.gauss(0.0, 1.0)
        noise = beta * shock + math.sqrt(1.0 - beta * beta) * own_shock
        self._path += asset.volatility * (self._drift + _day_profile(hour) * noise)
        if self._anchor is not None:
            self._path -= self._reversion * (self._path - self._anchor)

    def _change_regime(self) -> None:
        self._drift, self._anchor = 0.0, None
        regime = self._random.random()
        if regime < _RANGES:
            self._anchor = self._path
        else:
            # A pull to the first price keeps months of trends within an order of magnitude.
            up = 0.5 - 0.5 * math.tanh(2.0 * self._path)
            self._drift = _TREND_DRIFT if self._random.random() < up else -_TREND_DRIFT

    def _bar(
        self, opened_at: datetime, log_open: float, log_close: float, storm: float, hour: int
    ) -> Bar:
        spread = self._asset.volatility * storm * _day_profile(hour)
        log_high = self._extreme(log_open, log_close, spread)
        log_low = -self._extreme(-log_open, -log_close, spread)
        effort = storm * _day_profile(hour) * (1.0 + abs(log_close - log_open) / spread)
        volume = 0.5 * self._asset.hourly_volume * effort * self._random.lognormvariate(0.0, 0.3)
        return Bar(
            symbol=self._asset.symbol,
            timeframe=TIMEFRAME,
            opened_at=opened_at,
            open=self._price(log_open),
            high=self._price(log_high),
            low=self._price(log_low),
            close=self._price(log_close),
            volume=Decimal(f"{volume:.4f}"),
        )

    def _extreme(self, start: float, end: float, deviation: float) -> float:
        """The highest point of a Brownian bridge from ``start`` to ``end``, exactly distributed.

        Glasserman, Monte Carlo Methods in Financial Engineering (2003), section 6.4.
        """
        scale = -2.0 * deviation * deviation * math.log(1.0 - self._random.random())
        return 0.5 * (start + end + math.sqrt((end - start) ** 2 + scale))

    def _price(self, log_price: float) -> Decimal:
        return Decimal(f"{math.exp(log_price):.{self._asset.decimals}f}")


def _day_profile(hour: int) -> float:
    """Volatility's multiple of normal at an hour of the day: calm at 04:00, busy at 16:00 UTC."""
    return 1.0 - 0.25 * math.cos(2.0 * math.pi * (hour % 24 - 4) / 24.0)
