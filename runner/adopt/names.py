"""What other platforms call the tables, columns and words that the models know."""

from __future__ import annotations

import re
from collections.abc import Mapping

TABLES: Mapping[str, str] = {
    "micro_patterns": r"pattern|setup|detection|formation",
    "trade_plans": r"plan|trade|position|idea",
    "trading_orders": r"order|fill|execution|trade",
    "trading_stats": r"stat|daily|pnl|performance|summar",
}
"""A part of the names of tables in each role."""

COLUMNS: Mapping[str, Mapping[str, tuple[str, ...]]] = {
    "micro_patterns": {
        "symbol": ("symbol", "pair", "instrument", "ticker", "market", "asset"),
        "pattern_type": ("pattern_type", "kind", "pattern", "type", "name", "pattern_name"),
        "signal": ("signal", "direction", "side", "bias", "action", "is_short", "is_long"),
        "confidence": ("confidence", "probability", "score", "confidence_pct"),
        "created_at": ("created_at", "detected_at", "found_at", "timestamp", "time", "created"),
    },
    "trade_plans": {
        "symbol": ("symbol", "pair", "instrument", "ticker", "market", "asset"),
        "strategy": ("strategy", "strategy_name", "strategy_id", "algo", "bot_name"),
        "entry_price_target": (
            "entry_price_target", "entry_price", "entry", "open_rate", "open_price",
        ),
        "stop_loss_price": ("stop_loss_price", "stop_loss", "stop", "sl", "stop_price"),
        "take_profit_1_price": (
            "take_profit_1_price", "take_profit_price", "take_profit", "target", "tp", "tp_1",
        ),
        "created_at": ("created_at", "open_date", "opened_at", "timestamp", "time", "created"),
        "account": ("account", "account_id", "account_name", "exchange", "bot_id"),
        "currency": ("currency", "stake_currency", "quote_currency", "quote_asset"),
    },
    "trading_orders": {
        "symbol": ("symbol", "pair", "instrument", "ticker", "market", "asset", "ft_pair"),
        "side": ("side", "order_side", "direction", "action", "is_buy", "is_sell", "buy_sell"),
        "quantity": ("quantity", "qty", "amount", "size", "orig_qty", "ordered_quantity", "volume"),
        "price": ("price", "limit_price", "order_price", "rate"),
        "filled_quantity": (
            "filled_quantity", "filled", "filled_qty", "executed_qty", "executed_quantity",
            "done_quantity", "cum_qty", "quantity_filled", "filled_amount", "filled_size",
        ),
        "filled_price": (
            "filled_price", "average", "avg_price", "average_price", "executed_price",
            "fill_price", "avg_fill_price", "average_fill_price",
        ),
        "fee": ("fee", "fees", "commission", "fee_paid", "fee_cost", "fee_rate", "commission_paid"),
        "status": ("status", "state", "order_status"),
        "created_at": (
            "created_at", "placed_at", "order_date", "submitted_at", "timestamp", "time", "created",
            "executed_at", "date",
        ),
        "filled_at": (
            "filled_at", "order_filled_date", "executed_at", "closed_at", "completed_at", "done_at",
        ),
        "trade_plan_id": ("trade_plan_id", "plan_id", "trade_id", "position_id"),
        "account": ("account", "account_id", "account_name", "exchange", "bot_id"),
        "currency": ("currency", "stake_currency", "quote_currency", "quote_asset"),
        "exit_reason": ("exit_reason", "close_reason", "reason"),
        "tag": ("tag", "enter_tag", "entry_tag", "label"),
        "leverage": ("leverage",),
    },
    "trading_stats": {
        "date": ("date", "day", "trading_date", "stat_date", "trading_day"),
        "net_profit": ("net_profit", "pnl", "net_pnl", "profit", "realized_pnl", "daily_pnl"),
        "total_trades": ("total_trades", "trades", "trade_count", "num_trades"),
        "winning_trades": ("winning_trades", "wins", "win_count"),
        "losing_trades": ("losing_trades", "losses", "loss_count"),
        "account": ("account", "account_id", "account_name", "exchange", "bot_id"),
        "currency": ("currency", "stake_currency", "quote_currency", "quote_asset"),
    },
}  # fmt: skip
"""Names of columns for each of a role's, the likeliest first, as ``plain`` writes them."""

PROFITS = ("close_profit_abs", "net_profit", "realized_pnl", "realised_pnl", "pnl", "profit")
CLOSED = ("close_date", "closed_at", "exit_at", "exit_time", "close_time")
"""Columns of a closed trade, from which days can be summed up."""

SIGNAL_KEYS = ("signal_key", "client_order_id", "client_oid", "cl_ord_id", "order_link_id", "tag")
"""Columns of an order that may carry the key of the signal that it executes."""

WORDS: Mapping[str, tuple[str, ...]] = {
    "BUY": ("buy", "b", "long", "bid", "bullish", "up", "bot", "1"),
    "SELL": ("sell", "s", "short", "ask", "bearish", "down", "sld", "-1"),
    "HOLD": ("hold", "flat", "neutral", "none", "wait", "0"),
    "NEW": ("new", "open", "pending", "accepted", "submitted", "created", "active", "placed",
            "working", "live", "queued", "untriggered", "pending_new"),
    "PARTIALLY_FILLED": ("partially_filled", "partially filled", "partial", "partial_fill",
                         "partiallyfilled", "partly_filled"),
    "FILLED": ("filled", "closed", "done", "executed", "complete", "completed", "matched",
               "settled", "fully_filled"),
    "CANCELLED": ("cancelled", "canceled", "expired", "void", "deactivated", "pending_cancel",
                  "partiallyfilledcanceled", "killed"),
    "REJECTED": ("rejected", "failed", "error", "denied", "invalid"),
}  # fmt: skip
"""Other platforms' words for each of ours, in small letters."""


UNREAL = ("is_paper", "is_test", "is_simulated", "is_backtest", "paper", "sandbox", "dry_run")
"""Columns that tell trades without money."""

_SHORT = {"px": "price", "ccy": "currency", "qty": "quantity", "ms": "at", "ts": "at"}


def plain(name: str) -> str:
    """A column's name in small letters with underscores, however it is written or shortened."""
    words = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", name).lower().replace("-", "_").split("_")
    return "_".join(_SHORT.get(word, word) for word in words)
