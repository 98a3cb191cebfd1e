"""The catalogue of tables that tell whether something holds: of patterns, probabilities, builds."""

from __future__ import annotations

from runner.views.surface import Column, Table

_OUTCOMES = "performance.signal_outcomes"
RELATIONS = Table(
    "ensemble.signal_confluence",
    {
        "relation": Column("Confluence", "word"),
        "signals": Column("BUY and SELL", "count", of=_OUTCOMES),
        "resolved": Column("Resolved", "count", of=f"{_OUTCOMES}.is_win"),
        "rate": Column("Hit rate", "percent", of=f"{_OUTCOMES}.is_win"),
        "rate_95": Column(
            "95% interval", "percent interval", about="Wilson's interval of the hit rate before it."
        ),
        "mean_return": Column("Mean return", "percent", 2, of=f"{_OUTCOMES}.outcome_return"),
        "trades": Column("Trades", "count", of=f"{_OUTCOMES}.executed_trades"),
        "expectancy": Column("Expectancy", "money", about="Realized P&L a trade, after fees."),
        "net_profit": Column("Realized P&L", "money", of=f"{_OUTCOMES}.executed_net_profit"),
    },
    "outcomes_by_relation",
    "Outcomes of signals by what their pattern said",
)
LIFTS = Table(
    "ensemble.confirmation_lift",
    {
        "model": Column("Model", of="ensemble.confirmation_lift.model_name"),
        "pattern_type": Column("Pattern type"),
        "relation": Column("Confluence", "word"),
        "cases_given": Column("Signals", "count"),
        "win_rate_given": Column("Right at the horizon", "percent"),
        "cases_not": Column("Other signals", "count"),
        "win_rate_not": Column("Others right", "percent"),
        "difference": Column("Difference", "percent"),
        "difference_95": Column(
            "95% interval", "percent interval", of="ensemble.confirmation_lift.difference_lower"
        ),
        "q_value": Column("q-value", "number", 3),
    },
    "confirmation_lift",
    "Hit rates of each model with a type of pattern and without",
    folded="By model and type of pattern",
    printed=20,
)
CALIBRATION = Table(
    "performance.model_calibration",
    {
        "model": Column("Model", of="performance.model_calibration.model_name"),
        "mean_predicted": Column("Predicted", "percent"),
        "observed_rate": Column("Hit rate", "percent"),
        "observed_rate_95": Column(
            "95% interval",
            "percent interval",
            of="performance.model_calibration.observed_rate_lower",
        ),
        "n": Column("Signals", "count"),
    },
    "calibration_bins",
    "Predicted probability and observed hit rate of each model and bin",
    folded="All bins as a table",
    printed=100,
)
IMPACT = Table(
    "operations.trading_impact",
    {
        "subject": Column("Statement"),
        "build_mean": Column("With builds", "number", 3),
        "quiet_mean": Column("Without", "number", 3),
        "difference": Column("Difference", "number", 3),
        "difference_95": Column(
            "95% interval", "interval", of="operations.trading_impact.difference_lower"
        ),
        "reading": Column("Reading", of="operations.trading_impact.is_slower"),
        "build_windows": Column("Measured with", "count"),
        "quiet_windows": Column("Measured without", "count"),
    },
    "trading_impact",
    "Milliseconds of each trading statement, with builds at work and without",
    printed=20,
)
