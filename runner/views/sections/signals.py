"""Sections about the outcomes of a period's signals, by model and by what patterns said."""

from __future__ import annotations

from dataclasses import replace

from runner.views import evidence_tables, tables
from runner.views.asked import Asked
from runner.views.dashboard.marts import Row
from runner.views.dashboard.wording import in_currency, label, newcombe, share, wilson
from runner.views.sections.money import nothing
from runner.views.surface import Column, Section, Surface

RELATIONS = ("confirm", "contradict", "neutral", "no_pattern")
LEAST_Q = 0.05
"""Of differences with a q-value below it, one in twenty is luck."""


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


def _confirmations(to: Surface, asked: Asked) -> None:
    rows = to.ask("outcomes_by_relation", asked)
    if not rows:
        nothing(to, asked, "signal")
        return
    rows.sort(key=lambda row: RELATIONS.index(row["relation"]))
    for row in rows:
        row["rate"] = row["wins"] / row["resolved"] if row["resolved"] else None
        row["rate_95"] = wilson(row["wins"], row["resolved"])
        trades = row["trades"]
        row["expectancy"] = float(row["net_profit"]) / trades if trades else None
    to.say(verdict({row["relation"]: row for row in rows}))
    to.table(evidence_tables.RELATIONS, rows, asked.account.currency)
    lifts = to.ask("confirmation_lift", asked)
    if not lifts:
        return
    for row in lifts:
        ends = row["difference_lower"], row["difference_upper"]
        row["difference_95"] = None if ends[0] is None else ends
    sure = [row for row in lifts if row["q_value"] is not None and row["q_value"] < LEAST_Q]
    told = ", ".join(
        f"{row['model']} {label(row['relation'])} {row['pattern_type']} "
        f"({_points(row['difference'])})"
        for row in sure[:5]
    )
    to.say(
        "By model and type of pattern, of all days and by the price at the ensemble's horizon: "
        f"{len(sure)} of {len(lifts)} differences are beyond luck{f': {told}' if told else ''}."
    )
    to.table(evidence_tables.LIFTS, lifts)


def verdict(rows: dict[str, Row]) -> str:
    """Whether confirmed signals went the right way more often than contradicted ones."""
    confirmed, contradicted = rows.get("confirm"), rows.get("contradict")
    if not (confirmed and contradicted and confirmed["resolved"] and contradicted["resolved"]):
        return "There are no resolved signals of both kinds, confirmed and contradicted."
    low, high = newcombe(
        confirmed["wins"], confirmed["resolved"], contradicted["wins"], contradicted["resolved"]
    ) or (0.0, 0.0)
    more = confirmed["rate"] - contradicted["rate"]
    told = "Confirmation made no clear difference"
    if not low <= 0 <= high:
        told = (
            "Confirmed signals were right more often"
            if more > 0
            else ("Confirmed signals were right less often")
        )
    return (
        f"{told}: {share(confirmed['rate'])} of confirmed signals went the right way, "
        f"{share(contradicted['rate'])} of contradicted ones: {_points(more)}, 95% interval "
        f"{_points(low)} to {_points(high)} if each signal stood alone."
    )


def _points(difference: float) -> str:
    """A difference of two shares, with its sign."""
    told = share(difference).replace("%", " pp")
    return f"+{told}" if difference > 0 and told[0] not in "<>" else told


SECTIONS = (
    Section(
        "Outcomes by model",
        ("performance.signal_outcomes",),
        ("signals_by_model", "signals_earned"),
        _by_model,
    ),
    Section(
        "Does confirmation pay?",
        (
            "ensemble.signal_confluence",
            "performance.signal_outcomes",
            "ensemble.confirmation_lift",
        ),
        ("outcomes_by_relation",),
        _confirmations,
    ),
)
