"""The section about the outcomes of a period's signals."""

from __future__ import annotations

from dataclasses import replace

from runner.views import tables
from runner.views.asked import Asked
from runner.views.dashboard.wording import in_currency, wilson
from runner.views.sections.money import nothing
from runner.views.surface import Column, Section, Surface


def _by_model(to: Surface, asked: Asked) -> None:
    rows = to.ask("signals_by_model", asked)
    if not rows:
        nothing(to, asked, "signal")
        return
    earned = to.ask("signals_earned", asked)
    by_model = {(row["model"], row["currency"]): row["executed_net_profit"] for row in earned}
    currencies = list(dict.fromkeys(row["currency"] for row in earned))
    for row in rows:
        row["rate"] = row["wins"] / row["resolved"] if row["resolved"] else None
        row["rate_95"] = wilson(row["wins"], row["resolved"])
        for currency in currencies:
            row[f"realized {currency}"] = by_model.get((row["model"], currency))
    to.say(
        "Hit rate: how often the prices after a BUY or SELL went its way, whatever anybody traded "
        "and before fees. Realized P&L: of the trades that executed the signals."
    )
    realized = {
        f"realized {currency}": Column(
            in_currency("Realized P&L", currency),
            "money",
            of="performance.signal_outcomes.executed_net_profit",
        )
        for currency in currencies
    }
    table = tables.SIGNALS_BY_MODEL
    to.table(replace(table, columns={**table.columns, **realized}), rows)


SECTIONS = (
    Section(
        "Outcomes by model",
        ("performance.signal_outcomes",),
        ("signals_by_model", "signals_earned"),
        _by_model,
    ),
)
