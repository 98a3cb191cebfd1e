"""The figures of the journal by numpy, pandas and quantstats, from trades, bars and days."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date, datetime
from decimal import Decimal
from typing import Any

import numpy as np
import pandas as pd
import quantstats.stats as qs
from oracle_performance import PERIODS

Row = Mapping[str, Any]
Fall = tuple[date, date, date, int, float]


def rolling_sharpe(returns: Sequence[float], days: int) -> list[float | None]:
    """The Sharpe ratio of each day and those before it; None before there are so many."""
    if len(returns) < days:
        return [None] * len(returns)
    windows = np.lib.stride_tricks.sliding_window_view(np.array(returns), days)
    least, most = windows.min(axis=1), windows.max(axis=1)
    is_constant = most - least <= 1e-9 * np.maximum(abs(least), abs(most))
    with np.errstate(divide="ignore", invalid="ignore"):
        ratios = windows.mean(axis=1) / windows.std(axis=1, ddof=1) * np.sqrt(PERIODS)
    told = [None if flat else float(r) for r, flat in zip(ratios, is_constant, strict=True)]
    return [None] * (days - 1) + told


def drawdowns(days: Sequence[date], equity: Sequence[Decimal], capital: Decimal) -> list[Fall]:
    """Begin, trough, last day below the peak, days and depth of each drawdown, by quantstats."""
    every = [capital, *equity]
    peaks = np.maximum.accumulate(np.array(every, dtype=object))
    # A day at the peak before the first one, so that a fall on the first day begins there.
    index = pd.DatetimeIndex([pd.Timestamp(days[0]) - pd.Timedelta(days=1), *days])
    falls = [float(now / peak - 1) for now, peak in zip(every, peaks, strict=True)]
    details = qs.drawdown_details(  # type: ignore[no-untyped-call]
        pd.Series(falls, index=index, dtype=float)
    )
    return [
        (
            *(date.fromisoformat(row[name]) for name in ("start", "valley", "end")),
            int(row["days"]),
            row["max drawdown"] / 100,
        )
        for row in details.to_dict("records")
    ]


def excursions(trade: Row, bars: pd.DataFrame) -> tuple[float, float] | None:
    """MAE and MFE of a trade, by every bar between its entry and its exit; None without one."""
    within = bars[
        (bars["opened_at"] >= trade["entry_at"]) & (bars["closed_at"] <= trade["exit_at"])
    ]
    if within.empty or trade["entry_price"] <= 0:
        return None
    prices = [
        *within["low_price"],
        *within["high_price"],
        trade["entry_price"],
        trade["exit_price"],
    ]
    sign = 1 if trade["direction"] == "LONG" else -1
    moves = [
        sign * float((price - trade["entry_price"]) / trade["entry_price"]) for price in prices
    ]
    return min(moves), max(moves)


def buy_and_hold(
    closes: Mapping[str, pd.Series[float]], days: Sequence[datetime], capital: float
) -> list[float]:
    """The value of equal parts by the end of each day; closes are indexed by their times."""
    index = pd.DatetimeIndex(days)
    parts = []
    for every in closes.values():
        ends = (every.index - pd.Timedelta(microseconds=1)).floor("D") + pd.Timedelta(days=1)
        series = every.groupby(ends).last()
        before = series[series.index <= index[0]]
        bought = before.iloc[-1] if len(before) else series.iloc[0]
        held = series.reindex(series.index.union(index + pd.Timedelta(days=1))).ffill()
        parts.append(held[index + pd.Timedelta(days=1)].fillna(bought) / bought)
    return [float(value) for value in sum(part.to_numpy() for part in parts) * capital / len(parts)]
