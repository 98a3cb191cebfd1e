"""The triple barrier by brute force: every bar after every signal, one after the other."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal


@dataclass(frozen=True)
class Bar:
    """A bar of the symbol's own timeframe."""

    opened_at: datetime
    closed_at: datetime
    open: Decimal
    high: Decimal
    low: Decimal
    close: Decimal


@dataclass(frozen=True)
class Outcome:
    """What ``performance.signal_outcomes`` says of a signal."""

    outcome: str
    is_ambiguous: bool | None = None
    entry_price: Decimal | None = None
    exit_price: Decimal | None = None
    outcome_return: float | None = None
    mae: float | None = None
    mfe: float | None = None
    bars_held: int | None = None
    resolved_at: datetime | None = None


def judge(
    signal_type: str,
    created_at: datetime,
    valid_until: datetime,
    stop_loss: Decimal | None,
    take_profit: Decimal | None,
    bars: Sequence[Bar],
) -> Outcome:
    """The outcome of a signal on ``bars`` of its symbol, in order of time.

    López de Prado, Advances in Financial Machine Learning (2018), chapter 3, on bars: a bar that
    touches both barriers stops out, and a barrier that the market jumps over is met at the open.
    """
    known = [bar for bar in bars if bar.closed_at <= created_at]
    if signal_type == "HOLD" or not known:
        return Outcome("NOT_APPLICABLE")
    entry = known[-1].close
    sign = 1 if signal_type == "BUY" else -1
    if stop_loss is not None and sign * (entry - stop_loss) <= 0:
        stop_loss = None
    if take_profit is not None and sign * (take_profit - entry) <= 0:
        take_profit = None
    held: list[Bar] = []
    for bar in bars:
        if bar.opened_at < created_at:
            continue
        held.append(bar)
        worst, best = (bar.low, bar.high) if sign > 0 else (bar.high, bar.low)
        stopped = stop_loss is not None and sign * (worst - stop_loss) <= 0
        taken = take_profit is not None and sign * (best - take_profit) >= 0
        if stopped:
            assert stop_loss is not None
            name, price = "STOP_LOSS", sign * min(sign * stop_loss, sign * bar.open)
        elif taken:
            assert take_profit is not None
            name, price = "TAKE_PROFIT", sign * max(sign * take_profit, sign * bar.open)
        elif bar.closed_at >= valid_until:
            name, price = "EXPIRED", bar.close
        else:
            continue
        lowest, highest = min(b.low for b in held), max(b.high for b in held)
        against, along = (lowest, highest) if sign > 0 else (highest, lowest)
        return Outcome(
            outcome=name,
            is_ambiguous=stopped and taken,
            entry_price=entry,
            exit_price=price,
            outcome_return=float(sign * (price - entry) / entry),
            mae=float(sign * (against - entry) / entry),
            mfe=float(sign * (along - entry) / entry),
            bars_held=len(held),
            resolved_at=bar.closed_at,
        )
    return Outcome("OPEN", entry_price=entry)
