"""Sections about money: each source's, the account's, and where the signals' went."""

from __future__ import annotations

from dataclasses import replace

from runner.views import charts, tables
from runner.views.asked import Asked
from runner.views.dashboard.marts import Row
from runner.views.dashboard.wording import (
    UNDEFINED,
    day,
    in_currency,
    label,
    money,
    sharpe_interval,
    t_of_95_percent,
    total,
    wilson,
)
from runner.views.surface import Figure, Section, Surface, Table
from runner.words import plural

# Two rows of cards: the profit, and how it was made.
_CARDS = (
    ("net_profit", "total_return", "sharpe_ratio", "probabilistic_sharpe", "max_drawdown"),
    ("hit_rate", "profit_factor", "expectancy", "trades", "exposure"),
)
_NAMES = {"ai: all": "AI", "traditional: all": "rule-based"}
UNEXPLAINED_SHOWN = 20
LEAST_STRETCHES = 5
"""Fewer stretches of days that are alike give no interval."""


def _sources(to: Surface, asked: Asked) -> list[Row]:
    """Rows of the period with their intervals, the totals too."""
    rows = to.ask("source_performance", asked)
    for row in rows:
        row["hit_rate_95"] = wilson(row["wins"], row["wins"] + row["losses"])
        row["sharpe_95"] = sharpe_interval(row["sharpe_ratio"], row["probabilistic_sharpe"])
    return rows


def _headline(to: Surface, asked: Asked) -> None:
    rows = _sources(to, asked)
    if not rows:
        nothing(to, asked, "closed day")
        return
    by_name = {row["source"]: row for row in rows}
    chosen = [row for row in rows if row["source_name"] in asked.sources]
    lead = chosen[0]["source"] if len(chosen) == 1 else "ai: all"
    other = "ai: all" if lead.startswith("traditional") else "traditional: all"
    first, second = by_name.get(lead, {}), by_name.get(other, {})
    leads = _NAMES.get(lead, label(lead))
    to.say(
        f"{asked.period}, up to the last closed day in the data. Large: {leads}; "
        f"below: {_NAMES[other]}."
    )
    if len(chosen) > 1:
        to.say("Of several sources there is no sum: the cards show all AI.")
    if first and second and first["first_date"] != second["first_date"]:
        to.say(
            f"Not the same days: {leads} {plural(first['days'], 'day')} from "
            f"{day(first['first_date'])}, {_NAMES[other]} {plural(second['days'], 'day')} from "
            f"{day(second['first_date'])}."
        )
    if asked.days is not None:
        to.say("Ratios such as Sharpe are of whole windows only: choose 1M, 3M, 1Y or All.")
    if told := difference(to, asked, lead, other):
        to.say(told)
    columns = tables.SOURCES.columns
    for names in _CARDS:
        to.figures(
            [
                Figure(
                    columns[name].heading(asked.account.currency),
                    columns[name].told(first.get(name)),
                    f"{_NAMES[other]} {columns[name].told(second.get(name))}",
                    of=f"performance.source_performance.{name}",
                )
                for name in names
            ]
        )
    shown = [row for row in rows if row["source_name"] == "all" or row in chosen]
    to.charts(
        [
            (
                charts.intervals(found, luck, axis=f"{name}, 95% interval{mark}", form=form),
                f"{name} of each source with its 95% interval",
            )
            for name, value, luck, mark, form in (
                ("Win rate", "hit_rate", None, "; grey: break-even", ".1%"),
                ("Sharpe ratio", "sharpe", 0.0, "", ".2f"),
            )
            if (found := _interval_rows(shown, value))
        ],
        [],
        "",
    )
    if none := [
        label(row["source"]) for row in shown if row["sharpe_ratio"] and not row["sharpe_95"]
    ]:
        to.say(f"No interval of the Sharpe ratio, whose P(SR > 0) is too near 1 or 0: {none[0]}.")


def difference(to: Surface, asked: Asked, lead: str, other: str) -> str:
    """Which of two sources earned more a day, and whether it may be luck; or nothing."""
    rows = to.ask("daily_difference", asked, lead=lead, other=other)
    if not rows:
        return ""
    days, more, error = (rows[0][name] for name in ("days", "difference", "standard_error"))
    names = [_NAMES.get(name, label(name)) for name in (lead, other)]
    if more < 0:
        names, more = names[::-1], -more
    told = (
        f"{names[0]} earned {in_currency(money(more), asked.account.currency)} more a day than "
        f"{names[1]}, after fees, on their {days} common days: "
    )
    stretches = days / (rows[0]["lag_days"] + 1)
    if stretches < LEAST_STRETCHES or not error:
        return f"{told}too few to say whether it is luck."
    reach = t_of_95_percent(stretches - 1) * error
    ends = f"95% interval {money(more - reach)} to {money(more + reach)}"
    return f"{told}{'more than luck' if more > reach else 'it may be luck'} ({ends})."


def _interval_rows(rows: list[Row], value: str) -> list[Row]:
    """Rows for charts.intervals, of the rows that have an interval."""
    return [
        {
            "source": row["source"],
            "value": row["hit_rate" if value == "hit_rate" else "sharpe_ratio"],
            "low": row[f"{value}_95"][0],
            "high": row[f"{value}_95"][1],
            "reference": row["break_even_hit_rate"],
        }
        for row in rows
        if row[f"{value}_95"] is not None
    ]


def _curves(to: Surface, asked: Asked) -> None:
    found = to.ask("equity", asked)
    if not found:
        nothing(to, asked, "day")
        return
    names = ", ".join(dict.fromkeys(label(row["source"]) for row in found))
    to.charts([(charts.equity(found), f"Equity of {names} by day, {asked}")], [], "")
    to.charts([(charts.drawdown(found), f"Drawdown of {names} by day")], found, "equity")


def _reconciliation(to: Surface, asked: Asked) -> None:
    days = to.ask("reconciliation", asked)
    if not days:
        nothing(to, asked, "day")
        return
    told = [row for row in days if row["unreconciled_profit"] is not None]
    off, on = unexplained(told)
    to.figures(
        [
            Figure(
                asked.account.label(label),
                money(total(row[column] for row in told)) if told else UNDEFINED,
                f"{on} not explained" if column == "unreconciled_profit" else "",
                of=f"performance.daily_performance.{column}",
            )
            for label, column in (
                ("Platform P&L", "reported_net_profit"),
                ("AI P&L", "ai_net_profit"),
                ("Rule-based P&L", "traditional_net_profit"),
                ("Unexplained P&L", "unreconciled_profit"),
            )
        ]
    )
    if len(told) < len(days):
        of = " of an account" if asked.account.account == "all" else ""
        to.say(f"Not counted: {plural(len(days) - len(told), 'day')}{of} without a report.")
    currency = asked.account.currency
    if off:
        to.charts([(charts.reconciliation(told), "Unexplained P&L of each day")], [], "")
        off.sort(key=lambda row: -abs(row["unreconciled_profit"]))
        if len(off) > UNEXPLAINED_SHOWN:
            to.say(f"The {UNEXPLAINED_SHOWN} largest of {len(off)}:")
        to.table(of_account(asked, tables.UNEXPLAINED), off[:UNEXPLAINED_SHOWN], currency)
    to.table(of_account(asked, tables.DAYS), days[::-1], currency)


def unexplained(days: list[Row]) -> tuple[list[Row], str]:
    """The days that are not explained, and how many these are."""
    off = [row for row in days if row["is_reconciled"] is False]
    return off, plural(len({row["trading_date"] for row in off}), "day")


def of_account(asked: Asked, table: Table) -> Table:
    """The table without accounts, where only one is shown."""
    if asked.account.account == "all":
        return table
    return replace(table, columns={k: v for k, v in table.columns.items() if k != "account"})


def _gaps(to: Surface, asked: Asked) -> None:
    found = to.ask("gaps_by_model", asked)
    if not found:
        nothing(to, asked, "closed signal")
        return
    total, *models = found
    to.say(
        "What the signals that are over would have earned, each with the same stake and without "
        "fees, and what was earned: a positive part was lost, a negative one gained."
    )
    if total["untraded"]:
        amount = in_currency(money(total["untraded_profit"]), asked.account.currency)
        to.say(
            f"Nobody traded {plural(total['untraded'], 'signal')} of {total['signals']:,}: with "
            f"that stake, they would have earned {amount}."
        )
    if total["unknown"]:
        to.say(
            f"Not in the sums: {plural(total['unknown'], 'signal')}, traded in several currencies "
            "or at prices far from the bars'."
        )
    if total["hypothetical_profit"] is not None:
        told = "From the hypothetical profit to the realized one"
        to.charts([(charts.gaps(total), told)], [], "")
    to.table(tables.GAPS, models, asked.account.currency)


def _every_source(to: Surface, asked: Asked) -> None:
    rows = _sources(to, asked)
    if asked.sources:
        rows = [row for row in rows if row["source_name"] in asked.sources]
    if not rows:
        nothing(to, asked, "source")
        return
    to.table(tables.SOURCES, rows, asked.account.currency)


def nothing(to: Surface, asked: Asked, what: str) -> None:
    """Say that there are no rows, or that a filter leaves none, and which days there are."""
    if not asked.chosen:
        to.empty(f"No {what} yet. Figures come with the first closed day.")
        return
    has = f" The marts have {asked.choices.days}." if asked.choices.days else ""
    to.empty(f"No {what}s in this choice ({asked}).{has}")


_SOURCES = ("performance.source_performance", "performance.source_performance_daily")
SECTIONS = (
    Section("AI vs. rule-based", _SOURCES, ("source_performance",), _headline, has_money=True),
    Section("Equity and drawdown", _SOURCES[1:], ("equity",), _curves, has_money=True),
    Section(
        "P&L reconciliation",
        ("performance.daily_performance",),
        ("reconciliation",),
        _reconciliation,
        has_money=True,
    ),
    Section(
        "Where the profit went",
        ("performance.signal_gaps",),
        ("gaps_by_model",),
        _gaps,
        has_money=True,
    ),
    Section("All sources", _SOURCES, ("source_performance",), _every_source, has_money=True),
)
