"""The catalogue of tables: the columns and labels of each, for the dashboard and the report."""

from __future__ import annotations

from runner.views.surface import Column, Table

_RATE_95 = Column(
    "95% interval", "percent interval", about="Wilson's interval of the win rate before it."
)

DECISIONS = Table(
    "ensemble.ensemble_decisions",
    {
        "symbol": Column("Symbol"),
        "leaning": Column("Decision", of="ensemble.ensemble_decisions.decision"),
        "probability_up": Column("P(up)", "probability"),
        "agreement": Column("Weighted consensus", "percent"),
        "active": Column("Active", of="ensemble.ensemble_decisions.contributors"),
        "close_price": Column("Close", "price"),
        "agree": Column("Agree", of="ensemble.ensemble_decisions.confirming_experts"),
        "dissent": Column("Dissent", of="ensemble.ensemble_decisions.contradicting_experts"),
        "decided_at": Column("Decided", "time"),
    },
    "decisions",
    "Latest decision of each symbol",
    folded="All symbols as a table",
)
SIGNALS = Table(
    "ensemble.signal_confluence",
    {
        "signal_id": Column("Signal"),
        "created_at": Column("Time", "time"),
        "symbol": Column("Symbol"),
        "model": Column("Model", of="ensemble.signal_confluence.model_name"),
        "signal_type": Column("Side"),
        "confidence": Column("Confidence", "percent"),
        "relation": Column("Confluence", "word"),
        "pattern_type": Column("Pattern type"),
        "order_count": Column("Orders", "count"),
        "last_order_status": Column("Last order", "word"),
    },
    "signals",
    "Signals of this choice, the newest first",
)
_ACCOUNT = {"account": Column("Account"), "currency": Column("Currency")}
ORDERS = Table(
    "performance.order_attribution",
    {
        "order_id": Column("Order"),
        **_ACCOUNT,
        "side": Column("Side"),
        "method": Column("Matched by", "word"),
        "lag_seconds": Column("Lag", "lag"),
        "created_at": Column("Placed", "time"),
    },
    "orders_of_signal",
    "Orders that execute the signal",
)
TRADES = Table(
    "performance.trades",
    {
        "trade_id": Column("Trade"),
        **_ACCOUNT,
        "direction": Column("Direction"),
        "quantity": Column("Quantity", "quantity"),
        "entry_at": Column("Entry time", "time"),
        "entry_price": Column("Entry price", "price"),
        "exit_at": Column("Exit time", "time"),
        "exit_price": Column("Exit price", "price"),
        "entry_tag": Column("Tag"),
        "exit_reason": Column("Exit reason", "word"),
        "fees": Column("Fees", "money"),
        "net_profit": Column("Realized P&L", "money"),
    },
    "trades_of_signal",
    "Trades that the signal opened",
)
SIGNALS_BY_MODEL = Table(
    "performance.signal_outcomes",
    {
        "model": Column("Model", of="performance.signal_outcomes.model_name"),
        "signals": Column("Signals", "count", of="performance.signal_outcomes"),
        "holds": Column("HOLD", "count", of="performance.signal_outcomes.signal_type"),
        "resolved": Column("Resolved", "count", of="performance.signal_outcomes.is_win"),
        "rate": Column("Hit rate", "percent", of="performance.signal_outcomes.is_win"),
        "rate_95": _RATE_95,
        "took_profit": Column("Take profit", "count", of="performance.signal_outcomes.outcome"),
        "stopped": Column("Stop loss", "count", of="performance.signal_outcomes.outcome"),
        "expired": Column("Expired", "count", of="performance.signal_outcomes.outcome"),
        "mean_return": Column(
            "Mean return", "percent", 2, of="performance.signal_outcomes.outcome_return"
        ),
        "traded": Column("Traded", "count", of="performance.signal_outcomes.executed_trades"),
    },
    "signals_by_model",
    "Outcomes of the signals of each model",
)

SOURCES = Table(
    "performance.source_performance",
    {
        "source": Column("Source", "word", of="performance.source_performance.source_name"),
        "days": Column("Days", "count"),
        "trades": Column("Trades", "count"),
        "net_profit": Column("Realized P&L", "money"),
        "total_return": Column("Return", "percent", 2),
        "hit_rate": Column("Win rate", "percent"),
        "hit_rate_95": _RATE_95,
        "break_even_hit_rate": Column(
            "Break-even win rate",
            "percent",
            about=(
                "The win rate at which these trades would earn nothing. Average loss / (average "
                "win + average loss), after fees."
            ),
        ),
        "profit_factor": Column("Profit factor", "number"),
        "expectancy": Column("Expectancy", "money"),
        "max_drawdown": Column("Max drawdown", "percent", 2),
        "sharpe_ratio": Column("Sharpe", "number"),
        "sharpe_95": Column(
            "Sharpe, 95% interval",
            "interval",
            about="How far the Sharpe ratio may be off. By the standard error behind P(SR > 0).",
        ),
        "probabilistic_sharpe": Column("P(SR > 0)", "probability"),
        "deflated_sharpe": Column("Deflated Sharpe", "probability"),
        "sortino_ratio": Column("Sortino", "number", is_detail=True),
        "calmar_ratio": Column("Calmar", "number", is_detail=True),
        "max_drawdown_by_trade": Column("Max drawdown by trade", "money", is_detail=True),
        "longest_win_streak": Column("Max consecutive wins", "count", is_detail=True),
        "longest_loss_streak": Column("Max consecutive losses", "count", is_detail=True),
        "exposure": Column("Time in market", "percent"),
    },
    "source_performance",
    "Metrics of every model and strategy in the period",
)
_RECONCILED = {
    "trading_date": Column("Day", "day"),
    "account": Column("Account"),
    "reported_net_profit": Column("Platform P&L", "money"),
    "ai_net_profit": Column("AI P&L", "money"),
    "traditional_net_profit": Column("Rule-based P&L", "money"),
    "unreconciled_profit": Column("Unexplained P&L", "money"),
}
UNEXPLAINED = Table(
    "performance.daily_performance",
    _RECONCILED,
    "unexplained_days",
    "Days with unexplained P&L, the largest first",
)
DAYS = Table(
    "performance.daily_performance",
    {
        **_RECONCILED,
        "reported_trades": Column("Reported trades", "count"),
        "ai_trades": Column("AI trades", "count"),
        "traditional_trades": Column("Rule-based trades", "count"),
        "ai_buy_signals": Column("BUY signals", "count"),
        "ai_sell_signals": Column("SELL signals", "count"),
        "ai_hold_signals": Column("HOLD signals", "count"),
        "avg_ai_confidence": Column("Mean confidence", "percent"),
    },
    "daily_performance",
    "Reported and explained P&L of each day, the newest first",
    folded="Day by day",
    is_detail=True,
)
_OF_SYMBOL = "performance.symbol_performance"
BY_SYMBOL = Table(
    _OF_SYMBOL,
    {
        "symbol": Column("Symbol"),
        "source": Column("Source", "word", of=f"{_OF_SYMBOL}.source_type"),
        "trades": Column("Trades", "count"),
        "hit_rate": Column("Win rate", "percent"),
        "hit_rate_95": _RATE_95,
        "profit_factor": Column("Profit factor", "number"),
        "expectancy": Column("Expectancy", "money"),
        "average_win": Column("Average win", "money"),
        "average_loss": Column("Average loss", "money"),
        "fees": Column("Fees", "money"),
        "net_profit": Column("Realized P&L", "money"),
        "best": Column("Best", about="The model or strategy that earned most, and its P&L."),
        "worst": Column("Worst", about="The one that earned least, and its P&L."),
        "last_closed_at": Column("Last closed", "time", is_detail=True),
    },
    "trades_by_symbol",
    "Trades of each symbol and type of source",
)
_GAPS = "performance.signal_gaps"
GAPS = Table(
    _GAPS,
    {
        "model": Column("Model", of=f"{_GAPS}.model_name"),
        "signals": Column("Signals", "count", of=_GAPS),
        "traded": Column("Traded", "count", of=f"{_GAPS}.executed_trades"),
        "hypothetical_profit": Column("Hypothetical", "money"),
        "size": Column("Size", "money"),
        "not_traded": Column("Not traded", "money"),
        "delay": Column("Delay", "money"),
        "price": Column("Price", "money"),
        "exit": Column("Exit", "money"),
        "fees": Column("Fees", "money"),
        "real_profit": Column("Realized", "money"),
    },
    "signal_gaps",
    "What each model's signals would have earned, what was lost on the way, and what was earned",
)
_BREAKDOWN = "performance.trade_breakdowns"
BREAKDOWNS = Table(
    _BREAKDOWN,
    {
        "source": Column("Source", "word", of=f"{_BREAKDOWN}.source_name"),
        "told": Column("By", of=f"{_BREAKDOWN}.dimension"),
        "value_told": Column("Value", of=f"{_BREAKDOWN}.dimension_value"),
        "trades": Column("Trades", "count"),
        "net_profit": Column("Realized P&L", "money"),
        "hit_rate": Column("Win rate", "percent"),
        "hit_rate_95": _RATE_95,
        "profit_factor": Column("Profit factor", "number"),
        "expectancy": Column("Expectancy", "money"),
        "expectancy_95": Column(
            "Expectancy, 95% interval", "interval", of=f"{_BREAKDOWN}.expectancy_lower"
        ),
        "average_win": Column("Average win", "money", is_detail=True),
        "average_loss": Column("Average loss", "money", is_detail=True),
        "fees": Column("Fees", "money", is_detail=True),
    },
    "trade_breakdowns",
    "Trades by direction, entry, exit and holding time",
    printed=200,
)
POSITIONS = Table(
    "performance.open_positions",
    {
        "symbol": Column("Symbol"),
        "source": Column("Source", "word", of="performance.open_positions.source_name"),
        "account": Column("Account"),
        "direction": Column("Direction"),
        "entry_tag": Column("Tag"),
        "open_quantity": Column("Quantity", "quantity"),
        "opened_at": Column("Entry time", "time"),
        "entry_price": Column("Entry price", "price"),
        "last_close_at": Column("Last close", "time", is_detail=True),
        "last_close": Column("Last price", "price"),
        "fees": Column("Fees", "money"),
        "unrealized_profit": Column("Unrealized P&L", "money"),
    },
    "open_positions",
    "Open positions at the last close, the largest profits and losses first",
)

SKILL = Table(
    "performance.model_skill",
    {
        "model": Column("Model", of="performance.model_skill.model_name"),
        "n": Column("Resolved signals", "count"),
        "brier_score": Column("Brier score", "number", 4),
        "expected_calibration_error": Column("Calibration error", "number", 3),
        "rank_ic": Column("Rank IC", "number", 3),
        "ic_ir": Column("IC IR", "number"),
        "rank_ic_observations": Column("IC signals", "count", is_detail=True),
        "signal_half_life_bars": Column("Half-life in bars", "number", 1),
        "turnover": Column("Turnover", "number"),
        "window_first_date": Column("From", "day", is_detail=True),
        "window_last_date": Column("To", "day", is_detail=True),
    },
    "model_skill",
    "Skill of each model in the window",
)
COMPARED = Table(
    "performance.signal_outcomes",
    {
        "told": Column(
            "Figure",
            about=(
                "Of BUY and SELL signals, by the day of the signal. Hit rate, mean return, Brier "
                "score and calibration error: of resolved signals, whatever anybody traded. "
                "Break-even: average loss / (average win + average loss) of their returns. "
                "Expectancy and realized P&L: of the trades that executed the signals."
            ),
        ),
        "a_told": Column("A"),
        "b_told": Column("B"),
        "difference_told": Column("B − A"),
        "difference_95_told": Column(
            "95% interval",
            about=(
                "How far the difference may be off. Days are the observations, those of both "
                "models together; a day goes with the days that its outcomes reach into. The hit "
                "rate's is Newcombe's, where that is wider. None below five such stretches."
            ),
        ),
        "reading": Column("Reading", about="What the interval says of the difference."),
    },
    "compared_models",
    "Figures of two models, their differences and how far these may be off",
)
TRAINING = Table(
    "training.training_runs",
    {
        "model": Column("Model", of="training.training_runs.model_name"),
        "run_kind": Column("Record", "word"),
        "answer": Column("Progress", of="training.training_runs.is_learning"),
        "steps": Column("Steps", "count"),
        "first_mean_value": Column("First steps", "number", 3),
        "last_mean_value": Column("Last steps", "number", 3),
        "improvement": Column("Improvement", "number", 3, is_detail=True),
        "improvement_z_score": Column("Standard errors", "number"),
        "best_value": Column("Best", "number", 3),
        "steps_since_best": Column("Steps since best", "count"),
        "last_step_at": Column("Last step", "time"),
    },
    "training_runs",
    "Training progress of each model",
)
SPECTRA = Table(
    "training.spectrum_findings",
    {
        "model": Column("Model", of="training.spectrum_findings.model_name"),
        "symbol": Column("Symbol"),
        "analysis_type": Column("Analysis", "word"),
        "dominant_period_bars": Column("Cycle in bars", "number", 1),
        "dominant_period_bars_change": Column("Change", "number", 1),
        "dominant_share": Column("Share of power", "percent"),
        "pattern_confidence": Column("Confidence", "percent"),
        "anomaly_score": Column("Anomaly score", "number"),
        "anomaly": Column("Anomaly", of="training.spectrum_findings.is_anomaly"),
        "created_at": Column("Analysed", "time"),
    },
    "spectrum_findings",
    "Newest spectral analysis of each model and symbol",
)
HEALTH = Table(
    "operations.model_health",
    {
        "model": Column("Model", of="operations.model_health.model_name"),
        "stage": Column("Stage", "word"),
        "open_triggers": Column("Retrain", "word", of="operations.retraining_triggers.reason"),
        "window_signals": Column("Signals", "count"),
        "psi_confidence": Column("PSI of confidence", "number"),
        "psi_signal_mix": Column("PSI of sides", "number", is_detail=True),
        "brier_score": Column("Brier score", "number", 4),
        "reference_brier_score": Column("Brier score, reference", "number", 4),
        "expected_calibration_error": Column("Calibration error", "number", 3),
        "reference_expected_calibration_error": Column(
            "Calibration error, reference", "number", 3, is_detail=True
        ),
        "excess_loss": Column("Excess loss", "number", 4, is_detail=True),
        "reference_excess_loss": Column("Excess loss, reference", "number", 4, is_detail=True),
        "rank_ic": Column("Rank IC", "number", 3),
        "days_since_signal": Column("Days since signal", "count"),
        "days_since_training": Column("Days since training", "count"),
        "health_date": Column("Day", "day", is_detail=True),
    },
    "model_health",
    "Health of each model version on its last day",
)
TRIGGERS = Table(
    "operations.retraining_triggers",
    {
        "model": Column("Model", of="operations.retraining_triggers.model_name"),
        "reason": Column("Alarm", "word"),
        "first_breach_date": Column("First breach", "day"),
        "alarm_date": Column("Raised", "day"),
        "cleared_date": Column("Cleared", "day"),
        "figure": Column("Figure", "number"),
        "threshold": Column("Threshold", "number"),
        "n": Column("Sample size", "count"),
    },
    "retraining_triggers",
    "Alarms, the newest first",
)
TRIALS = Table(
    "operations.model_trials",
    {
        "challenger": Column("Challenger", of="operations.model_trials.challenger_version"),
        "champion": Column("Champion", of="operations.model_trials.champion_version"),
        "verdict": Column("Verdict", "word"),
        "e_value": Column("e-value", "number"),
        "challenger_outcomes": Column("Outcomes", "count"),
        "loss_difference": Column("Loss difference", "number", 4),
        "started_at": Column("Began", "time"),
        "deadline_date": Column("Deadline", "day"),
    },
    "model_trials",
    "Trials of challengers against champions",
)
HISTORY = Table(
    "operations.model_history",
    {
        "model": Column("Model", of="operations.model_history.model_name"),
        "stage": Column("Stage", "word"),
        "started_at": Column("From", "time"),
        "ended_at": Column("To", "time"),
        "reason": Column("Reason"),
    },
    "model_history",
    "Stages of model versions, the newest first",
)
AUDIT = Table(
    "operations.model_audit",
    {
        "model": Column("Model", of="operations.model_audit.model_name"),
        "signals": Column("Signals", "count"),
        "signals_not_known": Column("Stored: not known", "count"),
        "signals_imported": Column("Imported", "count"),
        "high_findings": Column("High findings", "count"),
        "time_findings": Column("Times", "count"),
        "price_findings": Column("Prices", "count"),
        "outcome_findings": Column("Outcomes", "count"),
        "edit_findings": Column("Edits", "count"),
        "longest_delay_seconds": Column("Longest delay", "lag"),
    },
    "model_audit",
    "Findings on the signals of each version, the worst first",
)
FINDINGS = Table(
    "operations.signal_audit",
    {
        "signal_id": Column("Signal"),
        "model": Column("Model", of="operations.signal_audit.model_name"),
        "symbol": Column("Symbol"),
        "finding_told": Column("Finding", of="operations.signal_audit.finding_kind"),
        "severity": Column("Severity"),
        "signal_at": Column("Its time", "time"),
        "evidence_at": Column("Evidence of", "time"),
        "lag_seconds": Column("Lag", "lag"),
        "stated_price": Column("Stated", "price"),
        "lowest_price": Column("Lowest", "price"),
        "highest_price": Column("Highest", "price"),
        "evidence": Column("Evidence"),
    },
    "signal_audit",
    "Findings on signals, the worst and newest first",
    printed=20,
)

BUILDS = Table(
    "operations.build_history",
    {
        "started_at": Column("Started", "time"),
        "result": Column("Result", of="operations.build_history.status"),
        "models_built": Column("Models", "count", of="operations.build_history.node_type"),
        "failures": Column("Failures", "count", of="operations.build_history.status"),
        "skipped": Column("Skipped", "count", of="operations.build_history.status"),
        "rows_written": Column("Rows written", "count"),
        "run_seconds": Column("Total run time, s", "number", 1),
    },
    "builds",
    "The newest builds",
    folded="The newest builds as a table",
    printed=10,
)
BUILD_NODES = Table(
    "operations.build_history",
    {
        "node_name": Column("Model or test"),
        "node_type": Column("Kind", "word"),
        "status": Column("Status"),
        "rows_written": Column("Rows written", "count"),
        "run_seconds": Column("Run time, s", "number"),
        "message": Column("Message"),
    },
    "build",
    "Models of the build, and tests that failed or warned, failures first",
)
REJECTED = Table(
    "operations.rejected_rows",
    {
        "source_table": Column("Table"),
        "row_key": Column("Row"),
        "column_name": Column("Column"),
        "value": Column("Value"),
        "reason": Column("What is wrong"),
        "first_seen_at": Column("First seen", "time"),
    },
    "rejected_rows",
    "Rows that no mart holds, and why, the newest first",
    printed=10,
)
