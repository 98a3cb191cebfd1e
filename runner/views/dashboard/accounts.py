"""The account whose money a page or a report shows; nothing is summed across currencies."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from runner.views.dashboard.wording import UNNAMED, in_currency


@dataclass(frozen=True)
class Account:
    """An account of a currency, or ``all`` of a currency that has several."""

    account: str = UNNAMED
    currency: str = UNNAMED
    is_all_accounts: bool = True

    def asked(self) -> dict[str, Any]:
        """The parameters of a question."""
        return {"account": self.account, "currency": self.currency}

    def label(self, text: str) -> str:
        """A label of money, with the currency where that has a name."""
        return in_currency(text, self.currency)

    def __str__(self) -> str:
        name = "all accounts" if self.account == "all" else self.account
        return name if self.currency == UNNAMED else f"{self.currency}: {name}"


def days_of(rows: Iterable[dict[str, Any]]) -> int:
    """The number of days of rows that may be of several accounts."""
    return len({row["trading_date"] for row in rows})
