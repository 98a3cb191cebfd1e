"""What a page or a report is asked for: period, account, symbols and sources, in one place."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from typing import Any

from runner.views.dashboard.marts import MartError, Row, UnreachableError, statement
from runner.views.dashboard.wording import UNNAMED, day, in_currency

WINDOWS = {"1M": "30d", "3M": "90d", "1Y": "365d", "All": "all"}
"""The windows as they are asked for, and as the marts call them."""

_FILTERS = {
    "period": {"first", "last", "first_at", "end_at", "since", "until"},
    "account": {"account", "currency"},
    "symbol": {"symbols", "listed_symbols"},
    "source": {"sources"},
}


@dataclass(frozen=True)
class Period:
    """UTC days, both included."""

    first: date
    last: date

    def __str__(self) -> str:
        return f"{day(self.first)} to {day(self.last)}"


@dataclass(frozen=True)
class Account:
    """An account of a currency, or ``all`` of a currency that has several."""

    account: str = UNNAMED
    currency: str = UNNAMED
    is_all_accounts: bool = True

    def label(self, text: str) -> str:
        """A label of money, with the currency where that has a name."""
        return in_currency(text, self.currency)

    def __str__(self) -> str:
        name = "all accounts" if self.account == "all" else self.account
        return name if self.currency == UNNAMED else f"{self.currency}: {name}"


@dataclass(frozen=True)
class Choices:
    """What the marts have to choose from; the first account is the one shown unasked.

    ``days`` are those from the first to the last closed one, None where there is none.
    """

    accounts: list[Account] = field(default_factory=lambda: [Account()])
    symbols: list[str] = field(default_factory=list)
    sources: list[str] = field(default_factory=list)
    days: Period | None = None


def choices(ask: Callable[[str], list[Row]]) -> Choices:
    """What there is to choose from; what a missing mart would tell is left out."""

    def told(question: str) -> list[Row]:
        try:
            return ask(question)
        except UnreachableError:
            raise
        except MartError:
            return []

    def names(*questions: str) -> list[str]:
        return sorted({str(row["name"]) for question in questions for row in told(question)})

    span = next(iter(told("days")), {"first": None, "last": None})
    return Choices(
        accounts=[Account(**row) for row in told("accounts")] or [Account()],
        symbols=names("symbols", "traded_symbols"),
        sources=names("models", "traded_sources"),
        days=Period(**span) if span["last"] else None,
    )


@dataclass(frozen=True)
class Asked:
    """The filters of a page or a report. No symbols, or no sources, are all of them.

    ``days`` are chosen days; they take the place of the window.
    """

    choices: Choices = field(default_factory=Choices)
    account: Account = field(default_factory=Account)
    symbols: tuple[str, ...] = ()
    sources: tuple[str, ...] = ()
    window: str = "All"
    days: Period | None = None

    @property
    def period(self) -> Period | None:
        """The closed days that are asked for; None where the data has none of them."""
        has = self.choices.days
        if has is None:
            return None
        chosen = self.days or has
        if self.days is None and self.window != "All":
            length = timedelta(days=int(WINDOWS[self.window].removesuffix("d")) - 1)
            chosen = Period(has.last - length, has.last)
        first, last = max(chosen.first, has.first), min(chosen.last, has.last)
        return Period(first, last) if first <= last else None

    def parameters(self) -> dict[str, Any]:
        """The parameters of all questions; each takes those that it names.

        ``first`` to ``last`` are closed days, ``first_at`` to ``end_at`` the same as moments.
        ``since`` to ``until`` leave the end open unless days were chosen: what is new is in it.
        """
        has = self.period or self.days
        first, last = (has.first, has.last) if has else (None, None)
        is_open = self.days is None and self.window == "All"
        return {
            "account": self.account.account,
            "currency": self.account.currency,
            "symbols": list(self.symbols) or None,
            "listed_symbols": list(self.symbols) or self.choices.symbols,
            "sources": list(self.sources) or None,
            "window": WINDOWS[self.window] if self.days is None else None,
            "first": None if is_open else first,
            "last": last,
            "first_at": None if is_open else _midnight(first),
            "end_at": _midnight(last, 1),
            "since": None if is_open else _midnight(self.days.first if self.days else first),
            "until": _midnight(self.days.last, 1) if self.days else None,
        }

    @property
    def chosen(self) -> list[str]:
        """The filters that leave something out."""
        is_chosen = {
            "period": self.days is not None or self.window != "All",
            "account": self.account != self.choices.accounts[0],
            "symbol": bool(self.symbols),
            "source": bool(self.sources),
        }
        return [name for name, is_so in is_chosen.items() if is_so]

    def not_followed(self, questions: Iterable[str]) -> str:
        """A line on the chosen filters that some of these questions cannot follow, or nothing."""
        missed = [
            name
            for name in self.chosen
            if not all(self._is_followed(question, name) for question in questions)
        ]
        return f"Not filtered by {' and '.join(missed)}." if missed else ""

    def _is_followed(self, question: str, name: str) -> bool:
        taken = parameters_of(question)
        if name == "account" and "account" not in taken:
            return "currency" in taken and self.account.is_all_accounts
        if name == "period" and self.days is None and "window" in taken:
            return True
        return bool(taken & _FILTERS[name])

    def __str__(self) -> str:
        told = [] if self.period is None else [str(self.period)]
        if self.days is not None and self.period is None:
            told = [str(self.days)]
        if "account" in self.chosen:
            told.append(str(self.account))
        return "; ".join([*told, *self.symbols, *self.sources]) or "all days"


def parameters_of(question: str) -> set[str]:
    """The parameters that a question names."""
    return set(re.findall(r"%\((\w+)\)s", statement(question)))


def _midnight(value: date | None, days: int = 0) -> datetime | None:
    if value is None:
        return None
    return datetime(value.year, value.month, value.day, tzinfo=UTC) + timedelta(days=days)
