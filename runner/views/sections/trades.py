"""Sections of the journal about trades: by what tells them apart, how they went, what is open."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from statistics import median

from runner.views import charts, tables
from runner.views.asked import Asked
from runner.views.dashboard.marts import Row
from runner.views.dashboard.wording import in_currency, label, money, number, share, wilson
from runner.views.sections.money import nothing, of_account
from runner.views.surface import Section, Surface
from runner.words import plural

SCATTERED = 1000
"""Trades in a scatter, at most: more hide one another."""
LEAST_TRADES = 10
"""Winners and losers, of fewer of which no share is told."""
LOSSES_TOLD = 6
SOURCES_ABREAST = 2
"""Sources in a chart of each value, at most."""


def _excursions(to: Surface, asked: Asked) -> None:
    rows = to.ask("trade_excursions", asked, count=SCATTERED)
    if not rows:
        to.empty("No trade in this choice has a whole bar between its entry and its exit.")
        return
    to.say(
        f"{'The newest ' if len(rows) == SCATTERED else ''}{plural(len(rows), 'trade')} with a "
        "whole bar between entry and exit. Winners that had gone far against the trade, and losers "
        "that had been far ahead, say where stops and targets could lie."
    )
    if told := room(rows):
        to.say(told)
    to.charts([(charts.excursions(rows), "MAE and MFE of each trade")], rows, "excursions")


def room(rows: Sequence[Row]) -> str:
    """How near winners came to their stop, and how far ahead losers had been, in R; or nothing.

    1 R is the distance from the entry to the initial stop.
    """
    stopped = [row for row in rows if row["stop_distance"]]
    against = sorted(-row["mae"] / row["stop_distance"] for row in stopped if _is(row, "WIN"))
    ahead = [row["mfe"] / row["stop_distance"] for row in stopped if _is(row, "LOSS")]
    if len(against) < LEAST_TRADES or len(ahead) < LEAST_TRADES:
        return ""
    most = against[math.ceil(0.9 * len(against)) - 1]
    middle = median(row["stop_distance"] for row in stopped)
    return (
        f"In R, the distance to the stop ({share(middle, 2)} in the middle): nine of ten winners "
        f"never went further than {number(most)} R against the trade; "
        f"{share(sum(each >= 1 for each in ahead) / len(ahead), 0)} of losers had been 1 R ahead."
    )


def _is(row: Row, result: str) -> bool:
    return bool(row["result"] == result)


def _trades(to: Surface, asked: Asked) -> None:
    found = to.ask("trades_by_symbol", asked)
    if not found:
        nothing(to, asked, "trade")
        return
    by_symbol: dict[tuple[str, str], list[str]] = {}
    for row in to.ask("sources_by_symbol", asked):
        told = f"{row['source_name']} ({money(row['net_profit'])})"
        by_symbol.setdefault((row["symbol"], row["source"]), []).append(told)
    for row in found:
        row["hit_rate_95"] = wilson(row["wins"], row["wins"] + row["losses"])
        sources = by_symbol.get((row["symbol"], row["source"]), [])
        row["best"] = sources[0] if sources else None
        row["worst"] = sources[-1] if len(sources) > 1 else None
    to.table(tables.BY_SYMBOL, found, asked.account.currency)


# What is shown for a dimension of performance.trade_breakdowns, in this order.
_DIMENSIONS = {
    "direction": "Direction",
    "holding_time": "Holding time",
    "entry_weekday": "Weekday of entry (UTC)",
    "entry_hour": "Hour of entry (UTC)",
    "exit_reason": "Exit reason",
    "entry_tag": "Entry tag",
}


def _breakdowns(to: Surface, asked: Asked) -> None:
    found = to.ask("trade_breakdowns", asked)
    if not found:
        nothing(to, asked, "trade")
        return
    for row in found:
        row["told"], value = _DIMENSIONS[row["dimension"]], row["dimension_value"]
        row["value_told"] = label(value) if row["dimension"] == "exit_reason" else value
        for figure in ("hit_rate", "expectancy"):
            ends = row[f"{figure}_lower"], row[f"{figure}_upper"]
            row[f"{figure}_95"] = None if ends[0] is None else ends
    order = list(_DIMENSIONS)
    found.sort(key=lambda row: (row["source"], order.index(row["dimension"])))
    to.say(losing(found))
    if len({row["source"] for row in found}) <= SOURCES_ABREAST:
        drawn = [
            (charts.expectancies(rows, title=_DIMENSIONS[name]), f"Expectancy by {name}")
            for name in ("entry_hour", "entry_weekday", "holding_time")
            if (rows := [row for row in found if row["dimension"] == name])
        ]
        to.charts(drawn, [], "")
    to.table(tables.BREAKDOWNS, found, asked.account.currency)


def losing(found: Sequence[Row]) -> str:
    """The values that lost beyond their interval, the most expensive first.

    Exit reasons are left out: that a stop loses is no news.
    """
    lost = [
        row
        for row in found
        if row["dimension"] != "exit_reason"
        and row["expectancy_95"] is not None
        and row["expectancy_95"][1] < 0
    ]
    lost.sort(key=lambda row: row["net_profit"])
    told = "; ".join(
        f"{label(row['source'])}, {row['told']} {row['value_told']} "
        f"({money(row['expectancy'])} a trade)"
        for row in lost[:LOSSES_TOLD]
    )
    more = f"; and {len(lost) - LOSSES_TOLD} more" if len(lost) > LOSSES_TOLD else ""
    return (
        f"Lost beyond the interval: {told}{more}. "
        if lost
        else "Nothing lost beyond its interval. "
    ) + "Of many values some look good or bad by luck: read the intervals."


def _positions(to: Surface, asked: Asked) -> None:
    found = to.ask("open_positions", asked)
    if not found:
        to.empty("No position is open.")
        return
    every, valued = found[0]["positions"], found[0]["valued"]
    to.say(
        f"{plural(every, 'position')} at the last close, unrealized "
        f"{in_currency(money(found[0]['total']), asked.account.currency)}"
        + (f"; {every - valued} without a price" if valued < every else "")
        + (f". The {len(found)} largest:" if len(found) < every else ".")
    )
    table = of_account(asked, tables.POSITIONS)
    if not any(row["entry_tag"] for row in found):
        columns = {k: v for k, v in table.columns.items() if k != "entry_tag"}
        table = replace(table, columns=columns)
    to.table(table, found, asked.account.currency)


_TRADES = "performance.trades"
SECTIONS = (
    Section(
        "Trades by symbol",
        (_TRADES, "performance.symbol_performance_daily"),
        ("trades_by_symbol", "sources_by_symbol"),
        _trades,
        has_money=True,
    ),
    Section(
        "When trades win",
        ("performance.trade_breakdowns",),
        ("trade_breakdowns",),
        _breakdowns,
        has_money=True,
    ),
    Section(
        "MAE and MFE",
        (_TRADES,),
        ("trade_excursions",),
        _excursions,
        has_money=True,
    ),
    Section(
        "Open positions",
        ("performance.open_positions",),
        ("open_positions",),
        _positions,
        has_money=True,
    ),
)
