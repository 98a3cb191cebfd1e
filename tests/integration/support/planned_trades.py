"""Plans and orders whose trades are known to the last decimal."""

from __future__ import annotations

import csv
import gzip
import os
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from fractions import Fraction
from pathlib import Path
from random import Random

from landscapes import Landscape

from runner.settings import PROJECT

FREQTRADE = (
    Path(os.environ.get("SIGNAL_MARTS_CASES", PROJECT.parent / "shared/cases")) / "freqtrade"
)
START = datetime(2025, 1, 2, 10, tzinfo=UTC)
HOUR = timedelta(hours=1)
UNIT = Fraction(1, 10**18)
FIRST_ID = 1_000_000


@dataclass(frozen=True)
class Order:
    side: str
    quantity: Decimal
    price: Decimal | None
    fee: Decimal
    at: datetime
    ordered: Decimal
    status: str = "FILLED"


@dataclass
class Plan:
    """A trade plan in a symbol, and its orders."""

    strategy: str
    symbol: str
    orders: list[Order] = field(default_factory=list)

    def cash_flow(self) -> Fraction:
        return sum(
            (
                (1 if order.side == "SELL" else -1)
                * Fraction(order.quantity)
                * Fraction(order.price or 0)
                - Fraction(order.fee)
                for order in self.orders
            ),
            start=Fraction(0),
        )


# For each symbol: its orders (side, filled, price, fee, and what was ordered if that is more), and
# the right trades (direction, quantity, net profit, result).
CASES: dict[str, tuple[list[str], list[str]]] = {
    # A billion coins of less than a millionth.
    "SATS": (
        ["BUY 1000000000 0.000000404 0", "SELL 1000000000 0.000000406 0"],
        ["LONG 1000000000 2 WIN"],
    ),
    "PEPE": (
        ["BUY 1000000000000 0.0000000000085 0", "SELL 1000000000000 0.000000000012 0"],
        ["LONG 1000000000000 3.5 WIN"],
    ),
    # More decimals than eight in a quantity: flat in the end.
    "WEI": (
        [*["BUY 1.000000004 1000 0"] * 3, "SELL 3.000000012 1010 0"],
        ["LONG 1.000000004 10.00000004 WIN"] * 3,
    ),
    "CL": (["BUY 1 20 2.5", "SELL 1 -37.63 2.5"], ["LONG 1 -62.63 LOSS"]),
    "FLIP": (
        ["BUY 2 100 0.2", "SELL 5 110 0.5", "BUY 3 105 0.3"],
        ["LONG 2 19.6 WIN", "SHORT 3 14.4 WIN"],
    ),
    # Filled in part, then cancelled.
    "PART": (["BUY 4 50 0.4 10", "SELL 4 55 0.4"], ["LONG 4 19.2 WIN"]),
    # Less than half of the account's last decimal is neither won nor lost.
    "EVEN": (
        [
            *("BUY 1 1 0", "SELL 1 1.0000000049 0", "BUY 1 1 0", "SELL 1 0.9999999951 0"),
            *("BUY 1 1 0", "SELL 1 1 0"),
        ],
        [
            "LONG 1 0.0000000049 BREAK_EVEN",
            "LONG 1 -0.0000000049 BREAK_EVEN",
            "LONG 1 0 BREAK_EVEN",
        ],
    ),
    "ODD": (
        ["BUY 1 1 0", "SELL 1 1.000000005 0", "BUY 1 1 0", "SELL 1 0.999999995 0"],
        ["LONG 1 0.000000005 WIN", "LONG 1 -0.000000005 LOSS"],
    ),
    # A fee that cannot be shared out evenly, of the smallest unit there is.
    "DUST": (
        ["BUY 3 1 0.000000000000000001", *["SELL 1 1 0"] * 3],
        ["LONG 1 0 BREAK_EVEN", "LONG 1 -0.000000000000000001 BREAK_EVEN", "LONG 1 0 BREAK_EVEN"],
    ),
}


def plan_of(symbol: str, orders: list[str]) -> Plan:
    plan = Plan(symbol.lower(), symbol)
    for text in orders:
        side, *numbers = text.split()
        quantity, price, fee, *ordered = map(Decimal, numbers)
        at = START + len(plan.orders) * HOUR
        status = "CANCELLED" if ordered else "FILLED"
        plan.orders.append(Order(side, quantity, price, fee, at, (*ordered, quantity)[0], status))
    return plan


def random_plan(random: Random, number: int) -> Plan:
    """Orders of one magnitude of price and one of quantity, from 1e-12 to 1e12 both."""
    plan = Plan(f"random {number}", f"RANDOM{number}")
    price, quantity = random.choice(
        [(p, q) for p in range(-12, 13) for q in range(-12, 13) if -20 <= p + q <= 14]
    )
    for n in range(random.randrange(4, 16)):
        plan.orders.append(
            Order(
                random.choice(["BUY", "SELL"]),
                filled := Decimal(random.randrange(1, 10**6)).scaleb(quantity - 6),
                Decimal(random.randrange(1, 10**6)).scaleb(price - 6),
                Decimal(random.randrange(-20, 1000)).scaleb(max(-18, price + quantity - 6)),
                START + n * HOUR,
                filled * random.choice([1, 1, 2]),
            )
        )
    left = sum(o.quantity if o.side == "BUY" else -o.quantity for o in plan.orders)
    if left and random.random() < 0.7:
        side, last = "SELL" if left > 0 else "BUY", plan.orders[-1]
        plan.orders.append(Order(side, abs(left), last.price, last.fee, last.at + HOUR, abs(left)))
    return plan


def freqtrade_rows(name: str) -> list[dict[str, str]]:
    with gzip.open(FREQTRADE / f"{name}.csv.gz", "rt", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def freqtrade_plans() -> list[Plan]:
    """A plan for each of the bot's trades; an order's fee is a rate of what it filled."""

    def moment(text: str) -> datetime:
        return datetime.fromisoformat(text).replace(tzinfo=UTC)

    trades = {row["id"]: row for row in freqtrade_rows("trades")}
    plans = {key: Plan("freqtrade", row["pair"]) for key, row in trades.items()}
    for row in freqtrade_rows("orders"):
        is_entry = row["ft_order_side"] == "buy"
        rate = Decimal(trades[row["ft_trade_id"]]["fee_open" if is_entry else "fee_close"])
        filled, average = Decimal(row["filled"]), Decimal(row["average"] or 0)
        plans[row["ft_trade_id"]].orders.append(
            Order(
                row["side"].upper(),
                filled,
                average or None,
                filled * average * rate,
                moment(row["order_filled_date"] or row["order_date"]),
                Decimal(row["ft_amount"]),
                "FILLED" if row["status"] == "closed" else "CANCELLED",
            )
        )
    return list(plans.values())


def write(landscape: Landscape, plans: list[Plan]) -> None:
    """Write the plans and their orders, into columns of any precision."""
    widened = ("quantity", "filled_quantity", "price", "filled_price", "fee")
    landscape.on_primary(
        "alter table trading_orders "
        + ", ".join(f"alter column {name} type numeric" for name in widened)
    )
    with landscape.primary.connect() as connection, connection.cursor() as cursor:
        cursor.executemany(
            "insert into trade_plans (id, strategy, symbol, created_at, entry_price_target,"
            " stop_loss_price, take_profit_1_price) values (%s, %s, %s, %s, 1, 1, 1)",
            [
                (FIRST_ID + n, plan.strategy, plan.symbol, plan.orders[0].at)
                for n, plan in enumerate(plans)
            ],
        )
        orders = [(FIRST_ID + n, plan, o) for n, plan in enumerate(plans) for o in plan.orders]
        cursor.executemany(
            "insert into trading_orders (id, client_order_id, trade_plan_id, symbol, side,"
            " quantity, filled_quantity, filled_price, fee, status, created_at, filled_at,"
            " order_type, created_by)"
            " values (%s, %s, %s, %s, %s::order_side, %s, %s, %s, %s, %s, %s, %s, 'LIMIT', 'test')",
            [
                (
                    *(FIRST_ID + n, str(FIRST_ID + n), plan_id, plan.symbol, order.side),
                    *(order.ordered, order.quantity, order.price, order.fee, order.status),
                    *(order.at, order.at if order.quantity else None),
                )
                for n, (plan_id, plan, order) in enumerate(orders)
            ],
        )


@dataclass(frozen=True)
class Signal:
    id: int
    symbol: str
    side: str
    at: datetime


@dataclass
class Advice:
    """A signal for each plan, shortly before its first order, and the closes of bars around it."""

    signals: list[Signal] = field(default_factory=list)
    closes: dict[str, list[tuple[datetime, Decimal]]] = field(default_factory=dict)

    def last_close(self, symbol: str, at: datetime) -> Decimal | None:
        known = [price for closed_at, price in self.closes[symbol] if closed_at <= at]
        return known[-1] if known else None


def advise(landscape: Landscape, plans: list[Plan], random: Random) -> Advice:
    """Write signals on plans, of one model, and bars at prices about those of the orders."""
    made = Advice()
    bars, signals = [], []
    for n, plan in enumerate(plans):
        closes = made.closes[plan.symbol] = []
        # Some begin after the first orders, which then meet no close.
        for hour in range(random.choice([-3, -3, -3, 2]), 30):
            about = random.choice(plan.orders).price or Decimal(1)
            tick = max(about.adjusted() - 5, -18)
            close = about * random.randrange(500, 1500) / 1000
            close = max(close.quantize(Decimal(1).scaleb(tick)), Decimal(1).scaleb(tick))
            opened_at = START + (hour - 1) * HOUR
            bars.append((plan.symbol, opened_at, *[close] * 4))
            closes.append((opened_at + HOUR, close))
        signal = Signal(FIRST_ID + n, plan.symbol, random.choice(["BUY", "SELL"]), START - HOUR / 2)
        made.signals.append(signal)
        signals.append((signal.id, signal.symbol, signal.side, FIRST_ID + n, signal.at))
    with landscape.primary.connect() as connection, connection.cursor() as cursor:
        cursor.execute(
            "insert into ai_models (id, model_type, model_name, version)"
            f" values ({FIRST_ID}, 'sparse_spectrum', 'adviser', '1')"
        )
        cursor.executemany(
            "insert into market_bars (symbol, timeframe, opened_at, open, high, low, close, volume)"
            " values (%s, '1h', %s, %s, %s, %s, %s, 1)",
            bars,
        )
        cursor.executemany(
            "insert into ai_trading_signals (id, model_id, symbol, signal_type, trade_plan_id,"
            f" created_at, confidence) values (%s, {FIRST_ID}, %s, %s, %s, %s, 0.6)",
            signals,
        )
    return made
