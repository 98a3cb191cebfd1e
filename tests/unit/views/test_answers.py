"""What sections say in a sentence, of rows that are easy to judge by eye."""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from typing import Any

import pytest

from runner.views.asked import Account, Asked
from runner.views.dashboard.wording import anchor
from runner.views.sections import glance, journal, money, signals, trades


class Told:
    """A surface that answers one question."""

    def __init__(self, rows: list[dict[str, Any]]) -> None:
        self.rows = rows

    def ask(self, question: str, asked: Asked, **others: Any) -> list[dict[str, Any]]:
        return self.rows


@pytest.mark.parametrize(
    ("difference", "days", "told"),
    [
        (20.0, 170, "AI earned 20.00 more a day than rule-based, after fees, on their 170 common"),
        (20.0, 170, "more than luck (95% interval 15."),
        (-20.0, 170, "rule-based earned 20.00 more a day than AI"),
        (2.0, 170, "it may be luck (95% interval −2."),
        (20.0, 20, "20 common days: too few to say whether it is luck."),
    ],
)
def test_who_earned_more(difference: float, days: int, told: str) -> None:
    row = {"days": days, "lag_days": 4, "difference": difference, "standard_error": 2.2}
    made: Any = Told([row])
    assert told in money.difference(made, Asked(), "ai: all", "traditional: all")


@pytest.mark.parametrize(
    ("valued", "told"),
    [
        (3, "3 open positions, unrealized 5.00 USD."),
        (1, "3 open positions, unrealized 5.00 USD of 1 with a price."),
        (0, "3 open positions, none with a price."),
    ],
)
def test_what_is_open(valued: int, told: str) -> None:
    made: Any = Told([{"positions": 3, "valued": valued, "total": Decimal(5)}])
    assert glance._open(made, Asked(account=Account(currency="USD"))) == told


def test_days_that_are_off_do_not_cancel() -> None:
    days = [{"trading_date": date(2025, 1, number), "unreconciled_profit": Decimal(amount),
             "is_reconciled": amount == "0"}
            for number, amount in enumerate(("5", "-5", "0"), 1)]  # fmt: skip
    made: Any = Told(days)
    asked = Asked(account=Account(currency="USD"))
    assert glance._unexplained(made, asked).startswith("Unexplained P&L: 2 days, of 10.00 USD")
    made.rows = days[2:]
    assert glance._unexplained(made, asked).startswith("The P&L of every reported day")


def drawdown(depth: float, first: int, *, is_open: bool = False) -> dict[str, Any]:
    begin, end = date(2025, 1, first), date(2025, 1, first + 3)
    return {"source": "account", "depth": depth, "begin_date": begin, "end_date": end,
            "is_open": is_open}  # fmt: skip


def test_whether_a_drawdown_is_open() -> None:
    deep, shallow = drawdown(-0.2, 5), drawdown(-0.01, 20, is_open=True)
    assert journal.drawdown_now([deep]) == (
        "None of these is open. The deepest: −20.00%, 2025-01-05 to 2025-01-08."
    )
    assert journal.drawdown_now([shallow, deep]) == (
        "Open now: account since 2025-01-20, −1.00% at its deepest. "
        "The deepest: −20.00%, 2025-01-05 to 2025-01-08."
    )


@pytest.mark.parametrize(
    ("confirmed", "told"),
    [
        (700, "Confirmed signals were right more often: 70.0%"),
        (510, "Confirmation made no clear difference: 51.0%"),
        (300, "Confirmed signals were right less often: 30.0%"),
    ],
)
def test_whether_confirmation_pays(confirmed: int, told: str) -> None:
    rows = {
        relation: {"wins": wins, "resolved": 1000, "rate": wins / 1000}
        for relation, wins in (("confirm", confirmed), ("contradict", 500))
    }
    assert signals.verdict(rows).startswith(told)
    del rows["contradict"]
    assert signals.verdict(rows).startswith("There are no resolved signals of both kinds")


def test_how_near_winners_came_to_their_stop() -> None:
    winners = [{"result": "WIN", "mae": -0.001 * n, "mfe": 0.02, "stop_distance": 0.02}
               for n in range(1, 11)]  # fmt: skip
    losers = [{"result": "LOSS", "mae": -0.02, "mfe": 0.005 * n, "stop_distance": 0.02}
              for n in range(10)]  # fmt: skip
    assert "never went further than 0.45 R" in trades.room([*winners, *losers])
    assert "60% of losers had been 1 R ahead" in trades.room([*winners, *losers])
    assert trades.room([*winners, *losers[1:]]) == ""


def test_what_lost_is_told_with_the_most_expensive_first() -> None:
    def value(told: str, upper: float, profit: float, dimension: str = "entry_hour") -> Any:
        return {"source": "ai: all", "dimension": dimension, "told": "Hour", "value_told": told,
                "expectancy": profit / 10, "net_profit": profit,
                "expectancy_95": (-99.0, upper)}  # fmt: skip

    found = [value("3", -1.0, -50.0), value("4", -1.0, -70.0), value("5", 1.0, -90.0)]
    found.append(value("stop loss", -5.0, -900.0, "exit_reason"))
    assert trades.losing(found).startswith(
        "Lost beyond the interval: AI: all, Hour 4 (−7.00 a trade); "
        "AI: all, Hour 3 (−5.00 a trade)."
    )
    assert trades.losing(found[2:]).startswith("Nothing lost beyond its interval.")


def test_a_section_has_a_name_in_the_address() -> None:
    assert anchor("P&L reconciliation") == "p-l-reconciliation"
    assert anchor("Does confirmation pay?") == "does-confirmation-pay"
