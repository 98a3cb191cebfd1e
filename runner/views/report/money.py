"""Sections about money: each source's, the account's, trades and positions."""

from __future__ import annotations

from runner.views.dashboard.accounts import Account
from runner.views.dashboard.wording import (
    UNDEFINED,
    count,
    day,
    in_currency,
    interval,
    moment,
    money,
    number,
    price,
    quantity,
    share,
    sharpe_interval,
    total,
)
from runner.views.report.draft import Draft, Figure, Period, Section, add_rate
from runner.words import plural

TOTALS = ["ai: all", "traditional: all"]


def performance(draft: Draft, period: Period, account: Account) -> None:
    """AI against the platform's own strategies, in the period and over all days."""
    from runner.views import charts

    with draft.section(
        account.label("AI against traditional"),
        "performance.source_performance_daily",
        "performance.source_performance",
    ) as made:
        sources = draft.ask("period_sources", **account.asked(), **period.days())
        for row in sources:
            add_rate(row, "hit_rate", row["wins"], row["wins"] + row["losses"])
        totals = {row["source"]: row for row in sources}
        ai, traditional = totals.get(TOTALS[0], {}), totals.get(TOTALS[1], {})
        for label, column, form in (
            ("Net profit", "net_profit", money),
            ("Return", "period_return", lambda value: share(value, 2)),
            ("Lowest drawdown", "lowest_drawdown", lambda value: share(value, 2)),
            ("Win rate", "hit_rate", share),
            ("Trades", "trades", count),
        ):
            made.figures.append(
                Figure(
                    account.label(label) if form is money else label,
                    form(ai.get(column)),
                    f"traditional {form(traditional.get(column))}",
                )
            )
        curves = draft.ask("equity", sources=TOTALS, **account.asked(), **period.days())
        for row in curves:
            row["source"] = f"{row['source_type']}: {row['source_name']}"
        if curves:
            draft.chart(made, charts.equity(curves), "Equity of AI and traditional by day")
            draft.chart(made, charts.drawdown(curves), "Drawdown of AI and traditional by day")
        draft.table(
            made,
            "performance.source_performance_daily",
            sources,
            ("source", "In the period", str),
            ("trades", "Trades", count),
            ("net_profit", "Net profit", money),
            ("period_return", "Return", lambda value: share(value, 2)),
            ("hit_rate", "Win rate", share),
            ("hit_rate_95", "95% interval", str),
            ("lowest_drawdown", "Lowest drawdown", lambda value: share(value, 2)),
        )
        _whole_window(draft, made, account)


def _whole_window(draft: Draft, made: Section, account: Account) -> None:
    rows = draft.ask("source_performance", window="all", **account.asked())
    for row in rows:
        row["source"] = f"{row['source_type']}: {row['source_name']}"
        ends = sharpe_interval(row["sharpe_ratio"], row["probabilistic_sharpe"])
        row["sharpe_95"] = interval(ends)
    draft.table(
        made,
        "performance.source_performance",
        rows,
        ("source", "All days", str),
        ("days", "Days", count),
        ("net_profit", "Net profit", money),
        ("sharpe_ratio", "Sharpe", number),
        ("sharpe_95", "95% interval", str),
        ("probabilistic_sharpe", "Probabilistic Sharpe", share),
        ("deflated_sharpe", "Deflated Sharpe", share),
        ("profit_factor", "Profit factor", number),
        ("expectancy", "Expectancy", money),
        ("max_drawdown", "Max drawdown", lambda value: share(value, 2)),
        ("max_drawdown_by_trade", "Drawdown by trade", money),
        ("exposure", "Time in market", share),
    )


def reconciliation(draft: Draft, period: Period, account: Account) -> None:
    """The platform's own statistics, beside what the orders explain."""
    from runner.views import charts

    with draft.section(account.label("Does it add up?"), "performance.daily_performance") as made:
        days = draft.ask("reconciliation", **account.asked(), **period.days())
        told = [row for row in days if row["unreconciled_profit"] is not None]
        off = [row for row in told if not row["is_reconciled"]]
        for label, column in (
            ("Platform reports", "reported_net_profit"),
            ("AI explains", "ai_net_profit"),
            ("Traditional explains", "traditional_net_profit"),
            ("Unreconciled", "unreconciled_profit"),
        ):
            value = money(total(row[column] for row in told)) if told else UNDEFINED
            about = draft.about(f"performance.daily_performance.{column}", label)
            made.figures.append(Figure(account.label(label), value, about=about))
        if len(told) < len(days):
            left_out = plural(len(days) - len(told), "day")
            of = " of an account" if account.account == "all" else ""
            made.notes.append(f"{left_out}{of} that the platform did not report are left out.")
        if off:
            draft.chart(made, charts.reconciliation(told), "Unreconciled profit by day")
            draft.table(
                made,
                "performance.daily_performance",
                sorted(off, key=lambda row: -abs(row["unreconciled_profit"]))[:20],
                ("trading_date", "Day", day),
                *([("account", "Account", str)] if account.account == "all" else ()),
                ("reported_net_profit", "Reported", money),
                ("ai_net_profit", "AI", money),
                ("traditional_net_profit", "Traditional", money),
                ("unreconciled_profit", "Unreconciled", money),
            )


def trades(draft: Draft, period: Period, account: Account) -> None:
    """Trades by symbol."""
    with draft.section(
        account.label("Trades by symbol"),
        "performance.trades",
        "performance.symbol_performance",
    ) as made:
        rows = draft.ask(
            "trades_by_symbol",
            symbols=None,
            models=None,
            **account.asked(),
            **period.times(),
        )
        for row in rows:
            add_rate(row, "hit_rate", row["wins"], row["wins"] + row["losses"])
        draft.table(
            made,
            "performance.trades",
            rows,
            ("symbol", "Symbol", str),
            ("source_type", "Source", str),
            ("trades", "Trades", count),
            ("hit_rate", "Win rate", share),
            ("hit_rate_95", "95% interval", str),
            ("fees", "Fees", money),
            ("net_profit", "Net profit", money),
        )
        symbols = draft.ask("symbol_performance", symbols=None, models=None, **account.asked())
        draft.table(
            made,
            "performance.symbol_performance",
            symbols,
            ("symbol", "All days", str),
            ("source", "Source", str),
            ("trades", "Trades", count),
            ("hit_rate", "Win rate", share),
            ("profit_factor", "Profit factor", number),
            ("expectancy", "Expectancy", money),
            ("average_win", "Average win", money),
            ("average_loss", "Average loss", money),
            ("net_profit", "Net profit", money),
        )


def positions(draft: Draft, account: Account) -> None:
    """Open positions."""
    with draft.section(account.label("Open positions"), "performance.open_positions") as made:
        rows = draft.ask("open_positions", symbols=None, models=None, **account.asked())
        if not rows:
            made.notes.append("No position is open.")
            return
        positions, total_ = (
            rows[0]["positions"],
            in_currency(money(rows[0]["total"]), account.currency),
        )
        made.notes.append(
            f"{plural(positions, 'position')} as of the last build, unrealized {total_}."
            + (f" The {len(rows)} largest:" if len(rows) < positions else "")
        )
        draft.table(
            made,
            "performance.open_positions",
            rows,
            ("symbol", "Symbol", str),
            ("source", "Source", str),
            *([("account", "Account", str)] if account.account == "all" else ()),
            ("direction", "Direction", str),
            ("open_quantity", "Quantity", quantity),
            ("opened_at", "In", moment),
            ("entry_price", "In at", price),
            ("last_close_at", "Last close", moment),
            ("last_close", "Now at", price),
            ("unrealized_profit", "Unrealized", money),
        )
