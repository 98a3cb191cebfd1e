"""Sections of the journal: what the trades of an account made, when, and at which risk."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Sequence
from datetime import date
from itertools import pairwise

from runner.views import charts, journal_tables
from runner.views.asked import Asked
from runner.views.charts import Chart
from runner.views.dashboard.marts import Row
from runner.views.dashboard.wording import (
    UNDEFINED,
    in_currency,
    label,
    money,
    number,
    share,
    total,
    wilson,
)
from runner.views.sections import trades
from runner.views.sections.money import nothing
from runner.views.surface import Column, Figure, Section, Surface
from runner.words import plural

_BINS = 24


# --- results ----------------------------------------------------------------------------------


def _results(to: Surface, asked: Asked) -> None:
    found = to.ask("trade_results", asked)
    if not found:
        nothing(to, asked, "trade")
        return
    made = found[0]
    of, currency = "performance.symbol_performance", asked.account.currency
    ends = wilson(made["wins"], made["wins"] + made["losses"])
    interval = "" if ends is None else f"95%: {Column('', 'percent interval').told(ends)}"
    to.figures(
        [
            Figure(
                "Trades",
                f"{made['trades']:,}",
                f"held {Column('', 'lag').told(made['mean_held_seconds'])}",
                of=f"{of}.trades",
            ),
            Figure("Win rate", share(made["hit_rate"]), interval, of=f"{of}.hit_rate"),
            Figure(
                in_currency("Average win", currency),
                money(made["average_win"]),
                f"of {made['wins']:,}",
                of=f"{of}.average_win",
            ),
            Figure(
                in_currency("Average loss", currency),
                money(made["average_loss"]),
                f"of {made['losses']:,}",
                of=f"{of}.average_loss",
            ),
            Figure("Payoff", number(made["payoff_ratio"]), of=f"{of}.payoff_ratio"),
            Figure(
                "Mean R-multiple",
                number(made["mean_r"]),
                f"of {made['r_trades']:,} with a stop",
                of="performance.trades.r_multiple",
            ),
        ]
    )
    kinds = {
        "profit": (in_currency("P&L a trade", currency), "profit"),
        "r": ("R-multiple", "r"),
    }
    edges = {kind: _edges(made, kind) for kind in kinds}
    bins = to.ask("trade_bins", asked, profit_edges=edges["profit"], r_edges=edges["r"])
    drawn: list[tuple[Chart, str]] = []
    for kind, (axis, _) in kinds.items():
        counts = {row["bin"]: row["trades"] for row in bins if row["figure"] == kind}
        rows = _bars(edges[kind], counts, made[f"lowest_{kind}"], made[f"highest_{kind}"])
        if rows:
            drawn.append(
                (charts.distribution(rows, axis=axis), f"How many trades made how much, by {axis}")
            )
    to.charts(drawn, bins, "distribution")


def _edges(made: Row, kind: str) -> list[float]:
    """Round edges around the middle of a distribution; 0 is one of them if it lies within."""
    low, high = made[f"lowest_{kind}"], made[f"highest_{kind}"]
    if low is None:
        return [0.0]
    mean = made["expectancy" if kind == "profit" else "mean_r"]
    low, high = (
        max(low, mean - 3 * made[f"{kind}_deviation"]),
        min(high, mean + 3 * made[f"{kind}_deviation"]),
    )
    if high - low <= 1e-9 * max(abs(low), abs(high)):  # but for their rounding, all are the same
        low = high
    width = _round_up((high - low) / _BINS or abs(low) or 1.0)
    first, last = math.floor(low / width), math.floor(high / width) + 1
    # The doubles nearest to the round amounts.
    return [float(f"{place * width:.12g}") for place in range(first, last + 1)]


def _round_up(width: float) -> float:
    """The next of 1, 2, 2.5, 5 and 10, at its order of magnitude."""
    order = 10.0 ** math.floor(math.log10(width))
    return next(step * order for step in (1, 2, 2.5, 5, 10) if step * order >= width * (1 - 1e-9))


def _bars(
    edges: Sequence[float], counts: dict[int, int], lowest: float, highest: float
) -> list[Row]:
    """A bar for each bin; what lies beyond the edges is in a bar of the same width."""
    if not counts:
        return []
    width = edges[1] - edges[0]
    ends = [edges[0] - width, *edges, edges[-1] + width]
    # What is in the outer bars may be far from them, a loss in one that is drawn above 0.
    reach = [min(lowest, edges[0]), *edges, max(highest, edges[-1])]
    told = [
        f"below {money(edges[0])}",
        *(f"{money(low)} to {money(high)}" for low, high in pairwise(edges)),
        f"{money(edges[-1])} and more",
    ]
    return [
        {
            "from": ends[place],
            "to": ends[place + 1],
            "range": told[place],
            "trades": counts.get(place, 0),
            "way": _way(reach[place], reach[place + 1]),
        }
        for place in range(len(told))
        if counts.get(place) or 0 < place < len(edges)
    ]


def _way(low: float, high: float) -> str:
    return "won" if low >= 0 else "lost" if high <= 0 else "won or lost"


# --- days -------------------------------------------------------------------------------------


def _days(to: Surface, asked: Asked) -> None:
    days = to.ask("trade_days", asked)
    if not days:
        nothing(to, asked, "trade")
        return
    currency = asked.account.currency
    best, worst = max(days, key=_profit), min(days, key=_profit)
    won = sum(row["net_profit"] > 0 for row in days)
    to.say(
        f"{plural(len(days), 'day')} with a closed trade, {share(won / len(days), 0)} of them won. "
        f"Best: {_told_day(best, currency)}; worst: {_told_day(worst, currency)}."
    )
    months = _months(days)
    last = max(row["trading_date"] for row in days)
    to.charts(
        [(charts.calendar(days, last), "Realized P&L of each day, by week and weekday")], [], ""
    )
    to.charts([(charts.months(months), "Realized P&L of each month, by year")], days, "trade_days")
    to.table(journal_tables.MONTHS, months[::-1], currency)


def _profit(row: Row) -> float:
    return float(row["net_profit"])


def _told_day(row: Row, currency: str) -> str:
    return f"{in_currency(money(row['net_profit']), currency)} on {row['trading_date']:%Y-%m-%d}"


def _months(days: Sequence[Row]) -> list[Row]:
    by_month: dict[date, list[Row]] = defaultdict(list)
    for row in days:
        by_month[row["trading_date"].replace(day=1)].append(row)
    return [_month(first, rows) for first, rows in by_month.items()]


def _month(first: date, days: Sequence[Row]) -> Row:
    wins, losses = (sum(row[name] for row in days) for name in ("wins", "losses"))
    profits = [row["net_profit"] for row in days]
    return {
        "year": first.year,
        "month": first.month,
        "month_told": f"{first:%Y-%m}",
        "net_profit": float(total(profits)),
        "fees": float(total(row["fees"] for row in days)),
        "trades": sum(row["trades"] for row in days),
        "hit_rate": wins / (wins + losses) if wins + losses else None,
        "won_days": sum(profit > 0 for profit in profits),
        "lost_days": sum(profit < 0 for profit in profits),
        "best_day": max(profits),
        "worst_day": min(profits),
    }


# --- equity and risk --------------------------------------------------------------------------


def _equity(to: Surface, asked: Asked) -> None:
    account = to.ask("account_equity", asked)
    if not account:
        nothing(to, asked, "day")
        return
    held = to.ask("buy_and_hold", asked)
    first = account[0]
    days = {row["trading_date"]: row for row in account}
    held = [row for row in held if row["trading_date"] in days]
    lines = list(account)
    if held and first["start_equity"] > 0:
        # Both begin with the account's equity before the period.
        scale = first["start_equity"] / held[0]["start_value"] if held[0]["start_value"] else 0
        lines += [
            {
                "source": "buy and hold",
                "trading_date": row["trading_date"],
                "equity": row["held_value"] * scale,
                "net_profit": (row["held_value"] - row["start_value"]) * scale,
                "trades": None,
            }
            for row in held
        ]
        to.say(
            f"Return of the account: {_return(account[-1]['equity'], first['start_equity'])}. Of "
            f"buying {plural(held[-1]['symbols'], 'symbol')} in equal parts on the account's first "
            "day and holding, without fees: "
            f"{_return(held[-1]['held_value'], held[0]['start_value'])}. Which symbols were traded "
            "is known only afterwards."
        )
    else:
        to.say("There are no bars of the traded symbols to compare with.")
    told = "Equity of the account by day, beside buying and holding what it traded"
    to.charts([(charts.equity(lines), told)], lines, "account_equity")


def _return(end: float, start: float) -> str:
    return share(end / start - 1, 2) if start > 0 else UNDEFINED


def _risk(to: Surface, asked: Asked) -> None:
    rows = to.ask("rolling_risk", asked)
    if not rows:
        nothing(to, asked, "day")
        return
    drawn: list[tuple[Chart, str]] = []
    if any(row["rolling_sharpe_ratio"] is not None for row in rows):
        drawn.append((charts.rolling_sharpe(rows), "Sharpe ratio of the last days, day by day"))
    else:
        to.say("There are too few days for a rolling Sharpe ratio.")
    if any(row["gross_exposure"] is not None for row in rows):
        drawn.append((charts.exposure(rows), "Gross exposure at the end of each day"))
    to.say(
        "Sharpe ratio of the last days (30, unless set otherwise), and what was held at the end of "
        "each day, long and short, at its entry prices over the equity."
    )
    to.charts(drawn, rows, "rolling_risk")


def _drawdowns(to: Surface, asked: Asked) -> None:
    rows = to.ask("drawdowns", asked)
    if not rows:
        to.empty("No drawdown: on no day of the period did the equity end below its peak.")
        return
    for row in rows:
        row["state"] = "open" if row["is_open"] else "recovered"
    to.say(drawdown_now(rows))
    to.say(
        "The open one first, then the deepest that reach into the period, from the highest equity "
        "ever before."
    )
    to.table(journal_tables.DRAWDOWNS, rows, asked.account.currency)


def drawdown_now(rows: Sequence[Row]) -> str:
    """Whether one is open, of drawdowns with the open one first."""
    deepest = min(rows, key=lambda row: float(row["depth"]))
    told = f"The deepest: {share(deepest['depth'], 2)}, {deepest['begin_date']:%Y-%m-%d} to "
    told += "now" if deepest["is_open"] else f"{deepest['end_date']:%Y-%m-%d}"
    still = [row for row in rows if row["is_open"]]
    if not still:
        return f"None of these is open. {told}."
    first = still[0]
    more = f" and {len(still) - 1} more" if len(still) > 1 else ""
    return (
        f"Open now: {label(first['source'])} since {first['begin_date']:%Y-%m-%d}, "
        f"{share(first['depth'], 2)} at its deepest{more}. {told}."
    )


_TRADES = "performance.trades"
SECTIONS = (
    Section(
        "Results",
        (_TRADES, "performance.symbol_performance"),
        ("trade_results", "trade_bins"),
        _results,
        has_money=True,
    ),
    Section(
        "Calendar",
        ("performance.symbol_performance_daily",),
        ("trade_days",),
        _days,
        has_money=True,
    ),
    Section(
        "Equity vs. buy and hold",
        ("performance.buy_and_hold", "performance.account_performance_daily"),
        ("account_equity", "buy_and_hold"),
        _equity,
        has_money=True,
    ),
    Section(
        "Drawdowns",
        ("performance.drawdowns",),
        ("drawdowns",),
        _drawdowns,
        has_money=True,
    ),
    Section(
        "Risk over time",
        ("performance.account_performance_daily", "performance.source_performance_daily"),
        ("rolling_risk",),
        _risk,
        has_money=True,
    ),
    *trades.SECTIONS,
)
