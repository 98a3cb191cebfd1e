"""Numbers, times and names in readable form; an undefined value is "–"."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable
from datetime import date, datetime, timedelta
from decimal import Decimal
from statistics import NormalDist

from runner.words import plural

Number = float | Decimal

UNDEFINED = "–"
UNNAMED = "main"
"""The name of an account or a currency to which the platform gives none."""
MONEY, PRICE, QUANTITY = (2, 4), (4, 5), (4, 4)
"""Least number of decimals shown, and of significant digits below 1."""
ARROWS = {"BUY": "▲", "SELL": "▼", "HOLD": "■"}
"""Marks of the directions, readable without colour."""

_SOURCES = {"ai": "AI", "traditional": "Rule-based"}
_LABELS = {"as_of": "time"}

_MARKDOWN = re.compile(r"([\\`*_{}\[\]()#+\-.!|$:~<>&])")


def escaped(text: str) -> str:
    """A text as Markdown that shows it literally."""
    return _MARKDOWN.sub(r"\\\1", text)


def anchor(title: str) -> str:
    """The name of a section in an address, such as "p-l-reconciliation"."""
    return re.sub(r"[^a-z0-9]+", "-", title.lower()).strip("-")


def label(word: str) -> str:
    """A word of the marts as it is shown, such as "AI: q_trader 1.0.0" or "stop loss".

    Names of models, strategies, symbols and tags are no such words: they are shown as they are.
    """
    told = source_label(word)
    return told if told != word else _LABELS.get(word, word.lower().replace("_", " "))


def source_label(name: str) -> str:
    """A source as it is shown; what names no type of source stays."""
    kind, colon, rest = name.partition(": ")
    return f"{_SOURCES.get(kind, kind)}{colon}{rest}"


def in_words(name: str) -> str:
    """A name of the data as one says it, such as "Reinforcement learning"."""
    return name.replace("_", " ").capitalize()


def money(value: Number | None) -> str:
    """An amount in the account's currency: two decimals, below 1 four significant digits."""
    return _told(value, *MONEY)


def in_currency(text: str, currency: str | None) -> str:
    """A label or an amount with its currency, where that has a name."""
    return text if currency in (None, UNNAMED) else f"{text} {currency}"


def price(value: Number | None) -> str:
    """A price: from 1000 two decimals, from 1 four, below 1 five significant digits."""
    decimals, digits = PRICE
    is_large = value is not None and not -1000 < value < 1000
    return _told(value, 2 if is_large else decimals, digits)


def quantity(value: Number | None) -> str:
    """A quantity: four decimals, below 1 four significant digits."""
    return _told(value, *QUANTITY)


def _told(value: Number | None, decimals: int, digits: int) -> str:
    if value is None:
        return UNDEFINED
    shown = decimals_of([value], decimals, digits)
    text = f"{exactly(value) or 0:,.{shown}f}".replace("-", "−")
    whole, _, fraction = text.partition(".")
    # Trailing zeros beyond the least decimals are left out.
    return f"{whole}.{fraction[:decimals]}{fraction[decimals:].rstrip('0')}"


def decimals_of(values: Iterable[Number | None], decimals: int, digits: int) -> int:
    """Decimals for all values of a column, so that the smallest shows its significant digits.

    At least ``decimals``, and no more than a double can hold beside the digits of the largest.
    """
    orders = [exactly(value).adjusted() for value in values if value]
    if not orders or min(orders) >= 0:
        return decimals
    return max(decimals, min(digits - 1 - min(orders), 14 - max(orders)))


def total(values: Iterable[Number]) -> Decimal:
    """The sum of amounts, without the noise of adding doubles."""
    return sum(map(exactly, values), start=Decimal(0))


def exactly(value: Number) -> Decimal:
    """The exact amount of the marts that a double stands for, unless it has 16 digits."""
    return value if isinstance(value, Decimal) else Decimal(repr(value))


def share(value: float | None, decimals: int = 1) -> str:
    """A share, 0 to 1, in percent; what is not exactly none or all of it does not look so."""
    if value is None:
        return UNDEFINED
    text = f"{value:.{decimals}%}".replace("-", "−")
    least = f"{10.0**-decimals:.{decimals}f}%"
    if value and float(text.strip("−%")) == 0:
        return f"<{least}" if value > 0 else f">−{least}"
    if 0 < value < 1 and float(text.strip("%")) == 100:
        return f">{1 - 10.0 ** -(decimals + 2):.{decimals}%}"
    return text


def number(value: float | None, decimals: int = 2) -> str:
    """A plain number."""
    return UNDEFINED if value is None else f"{value:,.{decimals}f}".replace("-", "−")


def count(value: int | None) -> str:
    """A whole number."""
    return UNDEFINED if value is None else f"{value:,}"


def minute(value: datetime) -> str:
    """A time to the minute, under a heading that says that it is in UTC."""
    return f"{value:%Y-%m-%d %H:%M}"


def moment(value: datetime | None) -> str:
    """A time in UTC."""
    return UNDEFINED if value is None else f"{minute(value)} UTC"


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


def lag(span: timedelta) -> str:
    """A span of time in its two largest units, such as "1 h 9 m"."""
    rest = max(0, round(span.total_seconds()))
    told = []
    for unit, length in (("d", 86400), ("h", 3600), ("m", 60), ("s", 1)):
        told.append((rest // length, unit))
        rest %= length
    first = next((at for at, (amount, _) in enumerate(told) if amount), 3)
    return (
        " ".join(f"{amount} {unit}" for amount, unit in told[first : first + 2] if amount) or "0 s"
    )


def leaning(decision: str, probability_up: float | None) -> str:
    """A decision, and of a HOLD the side on which it leans, by a tenth of a percent at least."""
    if decision != "HOLD" or probability_up is None or abs(probability_up - 0.5) < 0.0005:
        return decision
    return f"HOLD, leaning {'up' if probability_up > 0.5 else 'down'}"


def wilson(hits: int | None, total: int | None) -> tuple[float, float] | None:
    """Wilson's 95% interval of a share, as in the marts; None without cases. Wilson 1927."""
    if hits is None or not total:
        return None
    z = NormalDist().inv_cdf(0.975)
    middle = (hits + z * z / 2) / (total + z * z)
    half = z / (total + z * z) * (hits * (total - hits) / total + z * z / 4) ** 0.5
    return max(0.0, middle - half), min(1.0, middle + half)


def newcombe(
    hits: int, total: int, other_hits: int, other_total: int
) -> tuple[float, float] | None:
    """The 95% interval of a share less another one; None without cases. Newcombe's method 10."""
    own, other = wilson(hits, total), wilson(other_hits, other_total)
    if own is None or other is None:
        return None
    share_, other_share = hits / total, other_hits / other_total
    below = math.hypot(share_ - own[0], other[1] - other_share)
    above = math.hypot(own[1] - share_, other_share - other[0])
    return share_ - other_share - below, share_ - other_share + above


def t_of_95_percent(degrees: float) -> float:
    """The quantile 0.975 of Student's t, by the polynomial of the marts (macros/t_of_95_percent):
    within 3e-10 from 4 degrees on."""
    fitted = (0.5352728919, 0.75961232506, 1.5864777983, 2.5560127678, 2.8224950088, 2.3722712511)
    reach = 0.0
    for coefficient in fitted:
        reach = (reach + coefficient) / degrees
    return NormalDist().inv_cdf(0.975) + reach


def sharpe_interval(
    sharpe: float | None, probabilistic: float | None
) -> tuple[float, float] | None:
    """The 95% interval of a Sharpe ratio, by the standard error behind ``probabilistic_sharpe``.

    ``probabilistic_sharpe`` is Φ(ratio / standard error), so the error follows from it. None if
    either is undefined, or too near its limit to compute the error.
    """
    if sharpe is None or probabilistic is None or not 1e-9 < probabilistic < 1 - 1e-9:
        return None
    deviations = NormalDist().inv_cdf(probabilistic)
    if abs(deviations) < 1e-6:
        return None
    half = NormalDist().inv_cdf(0.975) * sharpe / deviations
    return sharpe - half, sharpe + half
