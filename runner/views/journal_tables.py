"""The catalogue of the journal's tables."""

from __future__ import annotations

from runner.views.surface import Column, Table

_TRADES = "performance.trades"
_SOURCE = Column("Source", "word", of=f"{_TRADES}.source_name")

JOURNAL = Table(
    _TRADES,
    {
        "trade_id": Column("Trade"),
        "exit_at": Column("Exit time", "time"),
        "symbol": Column("Symbol"),
        "direction": Column("Side"),
        "source": _SOURCE,
        "account": Column("Account"),
        "net_profit": Column("Realized P&L", "money"),
        "r_multiple": Column("R-multiple", "number"),
        "quantity": Column("Quantity", "quantity"),
        "entry_price": Column("Entry price", "price"),
        "exit_price": Column("Exit price", "price"),
        "held_seconds": Column("Held", "lag", about="From the entry to the exit."),
        "mae": Column("MAE", "percent", 2),
        "mfe": Column("MFE", "percent", 2),
        "fees": Column("Fees", "money"),
        "entry_tag": Column("Tag"),
        "exit_reason": Column("Exit reason", "word"),
    },
    "trades",
    "Trades of this choice, the newest first",
)
TRADE_ORDERS = Table(
    "performance.order_attribution",
    {
        "order_id": Column("Order"),
        "part": Column("Part", about="Whether it opened or closed the trade."),
        "side": Column("Side"),
        "source": Column("Source", "word", of="performance.order_attribution.source_name"),
        "method": Column("Matched by", "word", of="performance.order_attribution.method"),
        "signal_id": Column("Signal"),
        "lag_seconds": Column("Lag", "lag"),
        "created_at": Column("Placed", "time"),
        "filled_at": Column("Filled", "time", of=f"{_TRADES}.entry_at"),
        "filled_price": Column("Price", "price", of=f"{_TRADES}.entry_price"),
    },
    "orders_of_trade",
    "Orders that opened and closed the trade",
)
_MONTHS = "performance.symbol_performance_daily"
MONTHS = Table(
    _MONTHS,
    {
        "month_told": Column("Month", of=f"{_MONTHS}.trading_date"),
        "net_profit": Column("Realized P&L", "money"),
        "trades": Column("Trades", "count"),
        "hit_rate": Column("Win rate", "percent", of="performance.symbol_performance.hit_rate"),
        "won_days": Column("Days won", "count", about="Days whose trades made a profit together."),
        "lost_days": Column("Days lost", "count", about="Days whose trades made a loss together."),
        "best_day": Column("Best day", "money", about="The largest P&L of a day."),
        "worst_day": Column("Worst day", "money", about="The smallest P&L of a day."),
        "fees": Column("Fees", "money"),
    },
    "months",
    "Realized P&L of each month, the newest first",
    folded="Month by month",
)
_DRAWDOWNS = "performance.drawdowns"
DRAWDOWNS = Table(
    _DRAWDOWNS,
    {
        "begin_date": Column("Begin", "day"),
        "source": Column("Of", "word", of=f"{_DRAWDOWNS}.source_type"),
        "trough_date": Column("Trough", "day"),
        "end_date": Column("End", "day"),
        "state": Column("State", of=f"{_DRAWDOWNS}.is_open"),
        "days": Column("Days", "count"),
        "depth": Column("Depth", "percent", 2),
        "lost_amount": Column("Lost", "money"),
        "peak_equity": Column("Peak", "money", is_detail=True),
        "trough_equity": Column("Trough equity", "money", is_detail=True),
    },
    "drawdowns",
    "Drawdowns, the open one first, then the deepest",
)
