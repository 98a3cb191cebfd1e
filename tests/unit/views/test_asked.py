"""Which filters a question follows."""

from __future__ import annotations

import pytest

from runner.views.asked import Account, Asked, Choices

USDT, BOT, EUR = (
    Account("all", "USDT"), Account("bot", "USDT", is_all_accounts=False), Account("main", "EUR"),
)  # fmt: skip


@pytest.mark.parametrize(
    ("account", "told"), [(USDT, ""), (BOT, "Not filtered by account."), (EUR, "")]
)
def test_a_currency_stands_for_all_its_accounts(account: Account, told: str) -> None:
    asked = Asked(Choices(accounts=[USDT, BOT, EUR]), account=account)
    assert asked.not_followed(["gaps_by_model"]) == told
    assert asked.not_followed(["trades_by_symbol"]) == ""


def test_what_cannot_follow_is_said_together() -> None:
    asked = Asked(symbols=("X",), sources=("a 1",), window="30d")
    assert asked.not_followed(["trade_breakdowns"]) == "Not filtered by period and symbol."
    assert asked.not_followed(["gaps_by_model", "trades_by_symbol"]) == ""
