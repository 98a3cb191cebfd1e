"""Numbers, times and names as people read them; what is not defined is "–"."""

from __future__ import annotations

import re
from datetime import date, datetime, timedelta
from statistics import NormalDist

UNDEFINED = "–"
ARROWS = {"BUY": "▲", "SELL": "▼", "HOLD": "■"}
"""Marks of the directions, which say without colour what a colour says."""

_MARKDOWN = re.compile(r"([\\`*_{}\[\]()#+\-.!|$:~<>&])")


def escaped(text: str) -> str:
    """A text as Markdown that shows it literally."""
    return _MARKDOWN.sub(r"\\\1", text)


def money(value: float | None) -> str:
    """An amount in the account's currency, with two decimals."""
    return UNDEFINED if value is None else f"{value:,.2f}".replace("-", "−")


def price(value: float | None) -> str:
    """A price, with at least five digits that count."""
    if value is None:
        return UNDEFINED
    if abs(value) >= 1000:
        return f"{value:,.2f}"
    return f"{value:,.4f}" if abs(value) >= 1 else f"{value:.5g}"


def share(value: float | None, decimals: int = 0) -> str:
    """A share, 0 to 1, in percent."""
    return UNDEFINED if value is None else f"{value:.{decimals}%}".replace("-", "−")


def number(value: float | None, decimals: int = 2) -> str:
    """A plain number."""
    return UNDEFINED if value is None else f"{value:,.{decimals}f}".replace("-", "−")


def count(value: int | None) -> str:
    """A whole number."""
    return UNDEFINED if value is None else f"{value:,}"


def plural(value: int, noun: str) -> str:
    """A count and what it counts, such as "1 trade" and "2 trades"."""
    return f"{count(value)} {noun}" if value == 1 else f"{count(value)} {noun}s"


def moment(value: datetime | None) -> str:
    """A time in UTC."""
    return UNDEFINED if value is None else f"{value:%Y-%m-%d %H:%M} UTC"


def day(value: date | None) -> str:
    """A UTC day."""
    return UNDEFINED if value is None else f"{value:%Y-%m-%d}"


def duration(span: timedelta | None) -> str:
    """A span of time in its largest unit, such as "3 hours"."""
    if span is None:
        return UNDEFINED
    seconds = max(0, round(span.total_seconds()))
    for unit, length in (("day", 86400), ("hour", 3600), ("minute", 60)):
        if seconds >= 2 * length or (unit != "day" and seconds >= length):
            return plural(seconds // length, unit)
    return plural(seconds, "second")


def interval(ends: tuple[float, float] | None, *, as_share: bool = False) -> str:
    """Both ends of an interval."""
    if ends is None:
        return UNDEFINED
    low, high = (share(end) if as_share else number(end) for end in ends)
    return f"{low} to {high}"


def wilson(hits: int | None, total: int | None) -> tuple[float, float] | None:
    """Wilson's 95% interval of a share, as in the marts; None without cases. Wilson 1927."""
    if hits is None or not total:
        return None
    z = NormalDist().inv_cdf(0.975)
    middle = (hits + z * z / 2) / (total + z * z)
    half = z / (total + z * z) * (hits * (total - hits) / total + z * z / 4) ** 0.5
    return max(0.0, middle - half), min(1.0, middle + half)


def sharpe_interval(
    sharpe: float | None, probabilistic: float | None
) -> tuple[float, float] | None:
    """The 95% interval of a Sharpe ratio, by the standard error behind ``probabilistic_sharpe``.

    That is Φ(ratio / standard error), so the error can be read back from it. None where either is
    undefined or so near its end that nothing can be read.
    """
    if sharpe is None or probabilistic is None or not 1e-9 < probabilistic < 1 - 1e-9:
        return None
    deviations = NormalDist().inv_cdf(probabilistic)
    if abs(deviations) < 1e-6:
        return None
    half = NormalDist().inv_cdf(0.975) * sharpe / deviations
    return sharpe - half, sharpe + half
