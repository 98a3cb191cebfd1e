"""Lots by a plain loop: each fill closes what the other side opened before, the oldest first."""

from __future__ import annotations

from collections import defaultdict, deque
from collections.abc import Hashable, Iterable
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal


@dataclass(frozen=True)
class Fill:
    order_id: int
    trade_plan_id: int | None
    account: str
    currency: str
    symbol: str
    side: str
    quantity: Decimal
    filled_at: datetime


def first_in_first_out(fills: Iterable[Fill]) -> dict[tuple[int, int], Decimal]:
    """The quantity that a buy and a sell share, by both orders.

    Fills of one account, currency and symbol meet: those of one trade plan first, then the rest.
    """
    ordered = sorted(fills, key=lambda fill: (fill.filled_at, fill.order_id))
    left = {fill.order_id: fill.quantity for fill in ordered}
    found: dict[tuple[int, int], Decimal] = defaultdict(Decimal)
    for is_of_plan in (True, False):
        waiting: dict[Hashable, deque[Fill]] = defaultdict(deque)
        for fill in ordered:
            if is_of_plan and fill.trade_plan_id is None:
                continue
            plan = fill.trade_plan_id if is_of_plan else None
            queue = waiting[plan, fill.account, fill.currency, fill.symbol]
            while queue and queue[0].side != fill.side and left[fill.order_id]:
                first = queue[0]
                shared = min(left[first.order_id], left[fill.order_id])
                pair = (fill, first) if fill.side == "BUY" else (first, fill)
                found[pair[0].order_id, pair[1].order_id] += shared
                left[first.order_id] -= shared
                left[fill.order_id] -= shared
                if not left[first.order_id]:
                    queue.popleft()
            if left[fill.order_id]:
                queue.append(fill)
    return dict(found)
