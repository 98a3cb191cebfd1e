"""Sections about signals: what the ensemble says now, and the period's signals."""

from __future__ import annotations

from datetime import UTC, datetime

from runner.views.dashboard.wording import count, duration, in_currency, moment, money, price, share
from runner.views.report.draft import Draft, Period, add_rate, decision, text


def now(draft: Draft) -> None:
    """The newest decisions, and the weights of experts."""
    from runner.views import charts

    with draft.section("Now", "ensemble.ensemble_decisions", "ensemble.expert_weights") as made:
        decisions = draft.ask("decisions_now")
        if not decisions:
            made.notes.append("No decisions yet.")
            return
        newest = max(row["decided_at"] for row in decisions)
        age = duration(datetime.now(UTC) - newest)
        made.notes.append(f"The newest decision is of {moment(newest)}, {age} before this report.")
        draft.table(
            made,
            "ensemble.ensemble_decisions",
            decisions,
            ("symbol", "Symbol", str),
            ("decision", "Decision", decision),
            ("probability_up", "Probability up", lambda value: share(value, 1)),
            ("agreement", "Agreement", share),
            ("contributors", "Speak", count),
            ("close_price", "Close", price),
            ("confirming_experts", "For it", text),
            ("contradicting_experts", "Against it", text),
            ("decided_at", "Decided", moment),
        )
        if weights := draft.ask("expert_weights"):
            draft.chart(made, charts.weights(weights), "Weight of each expert, heaviest first")


def signals(draft: Draft, period: Period) -> None:
    """The period's signals."""
    with draft.section("Signals of the period", "performance.signal_outcomes") as made:
        rows = draft.ask("period_signals", **period.times())
        made_by = draft.ask("period_made", **period.times())
        currencies = list(dict.fromkeys(row["currency"] for row in made_by))
        earned = {(row["model"], row["currency"]): row["executed_net_profit"] for row in made_by}
        for row in rows:
            add_rate(row, "rate", row["wins"], row["resolved"])
            for currency in currencies:
                row[f"executed_net_profit {currency}"] = earned.get((row["model"], currency))
        made.notes.append(
            "Won: the prices after a signal went its way, whatever anybody traded and before "
            "fees. Made: what its trades really earned."
        )
        draft.table(
            made,
            "performance.signal_outcomes",
            rows,
            ("model", "Model", str),
            ("signals", "Signals", count),
            ("holds", "of them HOLD", count),
            ("resolved", "Resolved", count),
            ("rate", "Won", share),
            ("rate_95", "95% interval", str),
            ("took_profit", "Take profit", count),
            ("stopped", "Stop loss", count),
            ("expired", "Expired", count),
            ("mean_return", "Mean return", lambda value: share(value, 2)),
            ("traded", "Traded", count),
            *(
                (f"executed_net_profit {currency}", in_currency("Made", currency), money)
                for currency in currencies
            ),
        )
