"""What the models know of a platform: four roles, each a table of fixed columns."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

KEY, TEXT, WORD, NUMBER, COUNT, TIME, DAY = (
    "key", "text", "word", "number", "count", "time", "day",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Field:
    """A column of a role: the kind of its values, and the words of a WORD.

    ``refers_to`` is the role whose keys a KEY names, if not its own.
    """

    kind: str
    is_required: bool = False
    words: tuple[str, ...] = ()
    refers_to: str = ""


_SIGNALS = ("BUY", "SELL", "HOLD")
_STATUSES = ("NEW", "PARTIALLY_FILLED", "FILLED", "CANCELLED", "REJECTED")

ROLES: Mapping[str, Mapping[str, Field]] = {
    "micro_patterns": {
        "id": Field(KEY, True),
        "symbol": Field(TEXT, True),
        "pattern_type": Field(TEXT),
        "signal": Field(WORD, True, _SIGNALS),
        "confidence": Field(NUMBER),
        "created_at": Field(TIME, True),
    },
    "trade_plans": {
        "id": Field(KEY, True),
        "symbol": Field(TEXT),
        "strategy": Field(TEXT),
        "entry_price_target": Field(NUMBER),
        "stop_loss_price": Field(NUMBER),
        "take_profit_1_price": Field(NUMBER),
        "created_at": Field(TIME),
        "account": Field(TEXT),
        "currency": Field(TEXT),
    },
    "trading_orders": {
        "id": Field(KEY, True),
        "trade_plan_id": Field(KEY, refers_to="trade_plans"),
        "symbol": Field(TEXT, True),
        "side": Field(WORD, True, ("BUY", "SELL")),
        "quantity": Field(NUMBER),
        "price": Field(NUMBER),
        "filled_quantity": Field(NUMBER, True),
        "filled_price": Field(NUMBER),
        "fee": Field(NUMBER),
        "status": Field(WORD, False, _STATUSES),
        "created_at": Field(TIME, True),
        "filled_at": Field(TIME),
        "account": Field(TEXT),
        "currency": Field(TEXT),
        "exit_reason": Field(TEXT),
        "tag": Field(TEXT),
        "leverage": Field(NUMBER),
        "signal_key": Field(TEXT),
    },
    "trading_stats": {
        "id": Field(KEY),
        "date": Field(DAY, True),
        "net_profit": Field(NUMBER, True),
        "total_trades": Field(COUNT),
        "winning_trades": Field(COUNT),
        "losing_trades": Field(COUNT),
        "account": Field(TEXT),
        "currency": Field(TEXT),
    },
}
"""Columns of each role, in the order of its view."""

KEY_TYPES = ("bigint", "text")
"""Types of a KEY: a smaller integer is listed as bigint, a uuid as text."""

DAILY = "trading_stats"
"""The role that may be summed up by day from rows of another grain, and needs no key."""

FITTING: Mapping[str, frozenset[str]] = {
    KEY: frozenset(KEY_TYPES),
    TEXT: frozenset({"text", "uuid", "bigint", "integer", "smallint", "boolean"}),
    WORD: frozenset({"text", "bigint", "integer", "smallint", "boolean"}),
    NUMBER: frozenset({"numeric", "bigint", "integer", "smallint"}),
    COUNT: frozenset({"bigint", "integer", "smallint"}),
    TIME: frozenset({"timestamp with time zone"}),
    DAY: frozenset({"date", "timestamp with time zone"}),
}
"""The types of an expression that fit each kind."""

NAIVE = "timestamp without time zone"
TYPES = frozenset(
    {
        "smallint", "integer", "bigint", "numeric", "text", "boolean", "date", "jsonb", "uuid",
        "timestamp with time zone", NAIVE,
    }
)  # fmt: skip
"""Types of the platform's columns as the file lists them."""
