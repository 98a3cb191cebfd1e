"""Plans and orders of the demo's platform, and the costs of trading.

Prices are in the quote currency, quantities in the base currency, basis points of the filled value
for slippage and fees.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from typing import Any, Literal

from runner.client.records import Bar
from runner.demo.patterns import Side

Kind = Literal["MARKET", "LIMIT", "STOP", "TAKE_PROFIT"]
Status = Literal["NEW", "PARTIALLY_FILLED", "FILLED", "CANCELLED", "REJECTED"]
Reason = Literal["entry", "take_profit", "stop_loss", "time_out", "manual", "flatten"]

TICK = Decimal("1e-8")
ZERO = Decimal(0)


@dataclass(frozen=True, slots=True)
class Rules:
    """The costs of trading, and the volume that the market fills.

    ``volume_share`` is the part of a bar's volume that the account may take; ``patience_bars`` is
    the number of bars after which an entry or a manual order that is still open is cancelled.
    """

    slippage_bps: Decimal = Decimal(1)
    taker_fee_bps: Decimal = Decimal(3)
    maker_fee_bps: Decimal = Decimal(1)
    volume_share: Decimal = Decimal("0.002")
    reject_share: float = 0.015
    patience_bars: int = 6


@dataclass(frozen=True, slots=True, eq=False)
class Plan:
    """A plan to trade: one entry, and an exit at a barrier or after ``hold_bars`` bars."""

    symbol: str
    timeframe: str
    strategy: str
    side: Side
    kind: Kind
    quantity: Decimal
    entry_price: Decimal
    stop_loss: Decimal
    take_profit: Decimal
    hold_bars: int
    created_at: datetime
    details: Mapping[str, Any] = field(default_factory=dict)


@dataclass(slots=True, eq=False)
class Order:
    """An order and its fills; ``number`` is its place in the exchange's sequence."""

    number: int
    symbol: str
    side: Side
    kind: Kind
    reason: Reason
    quantity: Decimal
    price: Decimal
    created_at: datetime
    plan: Plan | None = None
    status: Status = "NEW"
    filled_quantity: Decimal = ZERO
    filled_value: Decimal = ZERO
    fee: Decimal = ZERO
    filled_at: datetime | None = None
    bars_waited: int = 0

    @property
    def is_open(self) -> bool:
        return self.status in ("NEW", "PARTIALLY_FILLED")

    @property
    def remaining(self) -> Decimal:
        return self.quantity - self.filled_quantity

    @property
    def filled_price(self) -> Decimal | None:
        """Average price of the fills, to eight decimals; None before the first."""
        if not self.filled_quantity:
            return None
        return (self.filled_value / self.filled_quantity).quantize(TICK)


def opposite(side: Side) -> Side:
    """The side that closes a position opened on ``side``."""
    return "SELL" if side == "BUY" else "BUY"


def price_decimals(bars: Iterable[Bar]) -> dict[str, int]:
    """Decimals to which each symbol is quoted: the most that any of its prices has, 2 to 8."""
    decimals: dict[str, int] = {}
    for bar in bars:
        finest = min(
            int(price.as_tuple().exponent) for price in (bar.open, bar.high, bar.low, bar.close)
        )
        decimals[bar.symbol] = min(8, max(decimals.get(bar.symbol, 2), -finest))
    return decimals
