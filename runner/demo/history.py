"""Closed bars as arrays, one growing series a symbol: AI modules see nothing else."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime

import numpy as np
from numpy.typing import NDArray

from runner.client.records import Bar, timeframe_length

Floats = NDArray[np.float64]

ATR_PERIOD = 14

_COLUMNS = ("open", "high", "low", "close", "volume", "log_close", "atr", "epoch")
_FIRST_CAPACITY = 1024


class _Column:
    """A row of a series' array, up to its last bar."""

    def __init__(self, name: str) -> None:
        self._row = _COLUMNS.index(name)

    def __get__(self, series: Series, kind: type[Series]) -> Floats:
        view = series._data[self._row, : len(series)]
        view.flags.writeable = False
        return view


class Series:
    """The closed bars of one symbol in one timeframe, oldest first; it only grows.

    Every array property is a read-only view of shape ``(len(series),)`` and type float64. A view
    taken earlier never shows a later bar, and stays as it was when bars are appended.
    """

    open = _Column("open")
    """Opening prices, in the quote currency."""
    high = _Column("high")
    """Highest prices, in the quote currency."""
    low = _Column("low")
    """Lowest prices, in the quote currency."""
    close = _Column("close")
    """Closing prices, in the quote currency."""
    volume = _Column("volume")
    """Traded volumes, in the base currency."""
    log_close = _Column("log_close")
    """Natural logarithms of the closing prices."""
    atr = _Column("atr")
    """Average true range over 14 bars, in the quote currency.

    Wilder, New Concepts in Technical Trading Systems (1978); the first 13 values are the plain mean
    of the true ranges so far, so that no value is missing.
    """
    closed_epoch = _Column("epoch")
    """Closing times, in seconds since 1970-01-01T00:00Z."""

    def __init__(self, symbol: str, timeframe: str) -> None:
        self.symbol = symbol
        self.timeframe = timeframe
        self.bar_length = timeframe_length(timeframe)
        self._size = 0
        self._data: Floats = np.empty((len(_COLUMNS), _FIRST_CAPACITY))
        self._closed_at: datetime | None = None

    def __len__(self) -> int:
        return self._size

    def append(self, bar: Bar) -> None:
        """Add a bar that has just closed.

        Raises:
            ValueError: the bar is of another symbol or timeframe, or does not follow the last one.
        """
        if (bar.symbol, bar.timeframe) != (self.symbol, self.timeframe):
            raise ValueError(
                f"a {bar.symbol} {bar.timeframe} bar in the series of "
                f"{self.symbol} {self.timeframe}"
            )
        closed_at = bar.opened_at + self.bar_length
        if self._closed_at is not None and closed_at <= self._closed_at:
            raise ValueError(f"{self.symbol}: the bar of {bar.opened_at} does not follow the last")
        self._reserve()
        close = float(bar.close)
        high, low = float(bar.high), float(bar.low)
        self._data[:, self._size] = (
            float(bar.open),
            high,
            low,
            close,
            float(bar.volume),
            np.log(close),
            self._next_atr(high, low),
            closed_at.timestamp(),
        )
        self._size += 1
        self._closed_at = closed_at

    def _reserve(self) -> None:
        # A fresh array rather than a resize: views handed out earlier keep their own memory.
        if self._size == self._data.shape[1]:
            grown = np.empty((len(_COLUMNS), 2 * self._size))
            grown[:, : self._size] = self._data
            self._data = grown

    def _next_atr(self, high: float, low: float) -> float:
        if self._size == 0:
            return high - low
        last_close = self._data[3, self._size - 1]
        true_range = max(high, last_close) - min(low, last_close)
        period = min(self._size + 1, ATR_PERIOD)
        last_atr = float(self._data[6, self._size - 1])
        return float(last_atr + (true_range - last_atr) / period)

    @property
    def closed_at(self) -> datetime:
        """When the last bar closed.

        Raises:
            ValueError: the series is empty.
        """
        if self._closed_at is None:
            raise ValueError(f"{self.symbol}: no bar has closed yet")
        return self._closed_at


def shortest_timeframes(seen: Iterable[tuple[str, str]]) -> dict[str, str]:
    """The shortest timeframe of each symbol, of the pairs that there are."""
    shortest: dict[str, str] = {}
    for symbol, timeframe in dict.fromkeys(seen):
        known = shortest.setdefault(symbol, timeframe)
        shortest[symbol] = min(known, timeframe, key=timeframe_length)
    return shortest


class History(Mapping[str, Series]):
    """Closed bars by symbol: a symbol has one series, in one timeframe."""

    def __init__(self, bars: Iterable[Bar] = ()) -> None:
        self._series: dict[str, Series] = {}
        for bar in bars:
            self.append(bar)

    def append(self, bar: Bar) -> None:
        """Add a bar that has just closed; the symbol's first bar opens its series.

        Raises:
            ValueError: the bar's timeframe is not its symbol's, or it does not follow the last one.
        """
        series = self._series.get(bar.symbol)
        if series is None:
            series = self._series[bar.symbol] = Series(bar.symbol, bar.timeframe)
        series.append(bar)

    def __getitem__(self, symbol: str) -> Series:
        return self._series[symbol]

    def __iter__(self) -> Iterator[str]:
        return iter(self._series)

    def __len__(self) -> int:
        return len(self._series)
