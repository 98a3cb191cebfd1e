"""Performance: realized P&L, risk and certainty of the AI and the platform's own strategies."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import streamlit as st

from runner.views import charts
from runner.views.dashboard import data, parts
from runner.views.dashboard.accounts import Account, days_of
from runner.views.dashboard.marts import Row
from runner.views.dashboard.parts import Column, Filters
from runner.views.dashboard.wording import (
    UNDEFINED,
    count,
    day,
    in_currency,
    interval,
    money,
    number,
    share,
    sharpe_interval,
    total,
    wilson,
)
from runner.words import plural

HIT_RATE_95 = Column("95% interval", about="Wilson's interval of the win rate.")
TOTALS = ("ai: all", "traditional: all")

Form = Callable[[Any], str]

# Two rows of cards: the profit, and how it was made.
FIGURES: tuple[tuple[tuple[str, str, Form], ...], ...] = (
    (
        ("Net profit", "net_profit", money),
        ("Return", "total_return", lambda value: share(value, 2)),
        ("Sharpe ratio", "sharpe_ratio", number),
        ("Sharpe above 0", "probabilistic_sharpe", share),
        ("Max drawdown", "max_drawdown", lambda value: share(value, 2)),
    ),
    (
        ("Win rate", "hit_rate", share),
        ("Profit factor", "profit_factor", number),
        ("Expectancy", "expectancy", money),
        ("Trades", "trades", count),
        ("Time in market", "exposure", share),
    ),
)

SOURCES = {
    "source": Column("Source", of="performance.source_performance.source_name"),
    "days": Column("Days", "number"),
    "trades": Column("Trades", "number"),
    "net_profit": Column("Net profit", "money"),
    "total_return": Column("Return", "percent"),
    "hit_rate": Column("Win rate", "percent"),
    "hit_rate_95": HIT_RATE_95,
    "profit_factor": Column("Profit factor", "number", "%,.2f"),
    "expectancy": Column("Expectancy", "money"),
    "sharpe_ratio": Column("Sharpe", "number", "%,.2f"),
    "sharpe_95": Column(
        "95% interval",
        about="Of the Sharpe ratio, by the standard error in probabilistic_sharpe.",
    ),
    "probabilistic_sharpe": Column("Probabilistic Sharpe", "percent"),
    "deflated_sharpe": Column("Deflated Sharpe", "percent"),
    "sortino_ratio": Column("Sortino", "number", "%,.2f"),
    "calmar_ratio": Column("Calmar", "number", "%,.2f"),
    "max_drawdown": Column("Max drawdown", "percent"),
    "max_drawdown_by_trade": Column("Drawdown by trade", "money"),
    "longest_win_streak": Column("Wins in a row", "number"),
    "longest_loss_streak": Column("Losses in a row", "number"),
    "exposure": Column("Time in market", "percent"),
}


def page() -> None:
    """Draw the page."""
    st.title("Performance", anchor=False)
    window = parts.window()
    account = Account()
    with parts.section(""):
        account = parts.account()
    with parts.section("AI against traditional", "performance.source_performance"):
        sources = with_intervals(data.rows("source_performance", window=window, **account.asked()))
        if sources:
            _headline(sources, account)
            _intervals(sources)
        else:
            st.info("**No closed day yet.** Metrics begin with the first day that is over.")
    asked = Filters()
    with parts.section(""):
        asked = parts.filters(symbols=True, models=True, days=True)
    with parts.section("Equity and drawdown", "performance.source_performance_daily"):
        _curves(asked, account)
    with parts.section("Does it add up?", "performance.daily_performance"):
        _reconciliation(asked, account)
    with parts.section("Open positions", "performance.open_positions"):
        _positions(asked, account)
    with parts.section("Trades by symbol", "performance.trades"):
        _trades(asked, account)
    with parts.section("Symbols over all days", "performance.symbol_performance"):
        _symbols(asked, account)
    with parts.section("All sources", "performance.source_performance"):
        sources = with_intervals(data.rows("source_performance", window=window, **account.asked()))
        if asked.models:
            sources = [row for row in sources if row["source_name"] in asked.models]
        parts.table(
            sources,
            SOURCES,
            mart="performance.source_performance",
            name=f"source_performance_{window}",
            alt="Metrics of every model and strategy in the window",
            currency=account.currency,
        )


def with_intervals(rows: list[Row]) -> list[Row]:
    """Rows of source_performance with type and name in one column, and their intervals."""
    for row in rows:
        row["source"] = f"{row['source_type']}: {row['source_name']}"
        decided = (row["wins"] or 0) + (row["losses"] or 0)
        row["hit_rate_ends"] = wilson(row["wins"], decided)
        row["sharpe_ends"] = sharpe_interval(row["sharpe_ratio"], row["probabilistic_sharpe"])
        row["hit_rate_95"] = interval(row["hit_rate_ends"], as_share=True)
        row["sharpe_95"] = interval(row["sharpe_ends"])
    return rows


def _headline(sources: list[Row], account: Account) -> None:
    totals = {row["source_type"]: row for row in sources if row["source_name"] == "all"}
    ai, traditional = totals.get("ai", {}), totals.get("traditional", {})
    ends = next(iter(totals.values()), sources[0])
    parts.remark(
        f"Up to {day(ends['window_last_date'])}, the last closed day in the data. Large: "
        "the AI's trades; below: the platform's own."
    )
    for figures in FIGURES:
        with parts.row_of_cards():
            for label, column, form in figures:
                parts.figure(
                    account.label(label) if form is money else label,
                    form(ai.get(column)),
                    beside=f"traditional {form(traditional.get(column))}",
                    column=f"performance.source_performance.{column}",
                )


def _intervals(sources: list[Row]) -> None:
    totals = [row for row in sources if row["source_name"] == "all"]
    left, right = st.columns(2, gap="large")
    for place, name, column, reference, form in (
        (left, "Win rate", "hit_rate", 0.5, ".0%"),
        (right, "Sharpe ratio", "sharpe", 0.0, ".1f"),
    ):
        rows = interval_rows(totals, column)
        with place:
            if rows:
                parts.chart(
                    charts.intervals(rows, reference, axis=f"{name}, 95% interval", form=form),
                    f"{name} with its 95% interval, AI and traditional",
                )
            else:
                st.info(f"{name}: too few trades for an interval.")


def interval_rows(rows: list[Row], column: str) -> list[Row]:
    """Rows for charts.intervals, of the rows that have an interval."""
    value = "hit_rate" if column == "hit_rate" else "sharpe_ratio"
    return [
        {
            "source": row["source"],
            "value": row[value],
            "low": row[f"{column}_ends"][0],
            "high": row[f"{column}_ends"][1],
        }
        for row in rows
        if row[f"{column}_ends"] is not None
    ]


def _curves(asked: Filters, account: Account) -> None:
    sources = [*TOTALS, *(f"ai: {model}" for model in asked.models or [])]
    found = data.rows("equity", sources=sources, **account.asked(), **asked.days())
    if not found:
        _nothing_in(asked)
        return
    for row in found:
        row["source"] = f"{row['source_type']}: {row['source_name']}"
    parts.chart(charts.equity(found), f"Equity of {', '.join(sources)} by day, {asked.spoken()}")
    parts.chart(charts.drawdown(found), f"Drawdown of {', '.join(sources)} by day")
    parts.download(found, "equity")


def _reconciliation(asked: Filters, account: Account) -> None:
    days = data.rows("reconciliation", **account.asked(), **asked.days())
    if not days:
        _nothing_in(asked)
        return
    told = [row for row in days if row["unreconciled_profit"] is not None]
    off = [row for row in told if not row["is_reconciled"]]

    def summed(column: str) -> str:
        return money(total(row[column] for row in told)) if told else UNDEFINED

    on = f"on {plural(days_of(off), 'day')}"
    with parts.row_of_cards():
        for label, column in (
            ("Platform reports", "reported_net_profit"),
            ("AI explains", "ai_net_profit"),
            ("Traditional explains", "traditional_net_profit"),
            ("Unreconciled", "unreconciled_profit"),
        ):
            parts.figure(
                account.label(label),
                summed(column),
                beside=on if column == "unreconciled_profit" else None,
                column=f"performance.daily_performance.{column}",
            )
    unreported = [row for row in days if row["unreconciled_profit"] is None]
    if unreported:
        of = " of an account" if account.account == "all" else ""
        parts.remark(
            f"Not counted: {plural(len(unreported), 'day')}{of} that the platform did not report."
        )
    if off:
        parts.chart(charts.reconciliation(told), "Profit of each day that no order explains")
    columns = {
        "trading_date": Column("Day", "day"),
        **({"account": Column("Account")} if account.account == "all" else {}),
        "reported_net_profit": Column("Reported", "money"),
        "ai_net_profit": Column("AI", "money"),
        "traditional_net_profit": Column("Traditional", "money"),
        "unreconciled_profit": Column("Unreconciled", "money"),
        "reported_trades": Column("Reported trades", "number"),
        "ai_trades": Column("AI trades", "number"),
        "traditional_trades": Column("Traditional trades", "number"),
        "ai_buy_signals": Column("BUY signals", "number"),
        "ai_sell_signals": Column("SELL signals", "number"),
        "ai_hold_signals": Column("HOLD signals", "number"),
        "avg_ai_confidence": Column("Mean confidence", "share"),
    }
    with st.expander("Day by day"):
        parts.table(
            days[::-1],
            columns,
            mart="performance.daily_performance",
            name="daily_performance",
            alt="Reported and explained profit of each day, the newest first",
            currency=account.currency,
        )


def _trades(asked: Filters, account: Account) -> None:
    found = data.rows("trades_by_symbol", **account.asked(), **asked.names(), **asked.times())
    if not found:
        _nothing_in(asked, "trades")
        return
    for row in found:
        decided = row["wins"] + row["losses"]
        row["hit_rate"] = row["wins"] / decided if decided else None
        row["hit_rate_95"] = interval(wilson(row["wins"], decided), as_share=True)
    parts.table(
        found,
        {
            "symbol": Column("Symbol"),
            "source_type": Column("Source"),
            "trades": Column("Trades", "number", of="performance.trades"),
            "hit_rate": Column("Win rate", "percent", of="performance.source_performance.hit_rate"),
            "hit_rate_95": HIT_RATE_95,
            "fees": Column("Fees", "money"),
            "net_profit": Column("Net profit", "money"),
        },
        mart="performance.trades",
        name="trades_by_symbol",
        alt="Trades of each symbol and source",
        currency=account.currency,
    )


def _positions(asked: Filters, account: Account) -> None:
    found = data.rows("open_positions", **account.asked(), **asked.names())
    if not found:
        st.info("No position is open.")
        return
    told = plural(found[0]["positions"], "position")
    unknown = found[0]["positions"] - found[0]["valued"]
    parts.remark(
        f"{told}, unrealized {in_currency(money(found[0]['total']), account.currency)}"
        + (f"; {unknown} without a price" if unknown else "")
        + (f". The {len(found)} largest:" if len(found) < found[0]["positions"] else "")
    )
    parts.table(
        found,
        {
            "symbol": Column("Symbol"),
            "source": Column("Source", of="performance.open_positions.source_name"),
            **({"account": Column("Account")} if account.account == "all" else {}),
            "direction": Column("Direction"),
            **({"entry_tag": Column("Tag")} if any(row["entry_tag"] for row in found) else {}),
            "open_quantity": Column("Quantity", "quantity"),
            "opened_at": Column("In", "time"),
            "entry_price": Column("In at", "price"),
            "last_close_at": Column("Last close", "time"),
            "last_close": Column("Now at", "price"),
            "fees": Column("Fees", "money"),
            "unrealized_profit": Column("Unrealized", "money"),
        },
        mart="performance.open_positions",
        name="open_positions",
        alt="Open positions at the last close, the largest profits and losses first",
        currency=account.currency,
    )


def _symbols(asked: Filters, account: Account) -> None:
    found = data.rows("symbol_performance", **account.asked(), **asked.names())
    if not found:
        st.info("No trade was closed.")
        return
    for row in found:
        decided = row["wins"] + row["losses"]
        row["hit_rate_95"] = interval(wilson(row["wins"], decided), as_share=True)
    parts.table(
        found,
        {
            "symbol": Column("Symbol"),
            "source": Column("Source", of="performance.symbol_performance.source_name"),
            "trades": Column("Trades", "number"),
            "hit_rate": Column("Win rate", "percent"),
            "hit_rate_95": HIT_RATE_95,
            "profit_factor": Column("Profit factor", "number", "%,.2f"),
            "expectancy": Column("Expectancy", "money"),
            "average_win": Column("Average win", "money"),
            "average_loss": Column("Average loss", "money"),
            "fees": Column("Fees", "money"),
            "net_profit": Column("Net profit", "money"),
            "last_closed_at": Column("Last closed", "time"),
        },
        mart="performance.symbol_performance",
        name="symbol_performance",
        alt="All trades of each symbol and source",
        currency=account.currency,
    )


def _nothing_in(asked: Filters, what: str = "days") -> None:
    """Say that a filter leaves no rows, and which rows there are."""
    if asked == Filters():
        st.info(f"**No {what} yet.** They come with the first closed trade or report.")
        return
    span = data.rows("days")[0]
    has = (
        f" The marts have {day(span['first_date'])} to {day(span['last_date'])}."
        if span["first_date"]
        else ""
    )
    st.info(f"**No {what} in this choice** ({asked.spoken()}).{has}")
