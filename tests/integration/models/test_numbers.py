"""Money to its last decimal, and doubles to their last digit, of everything built once.

Prices and quantities of all magnitudes are written to the primary; beside the clone, there may be a
real bot's trades in BTC, which it reckoned itself (SIGNAL_MARTS_CASES).
"""

from __future__ import annotations

import csv
import gzip
import json
import math
import os
import re
from collections import Counter, defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from fractions import Fraction
from pathlib import Path
from random import Random
from typing import Any

import pytest
from landscapes import Landscape, drop_landscape, make_landscape
from psycopg import sql
from psycopg.rows import dict_row

from runner.build import builds
from runner.demo.embedded import EmbeddedPair
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


# --- what is written --------------------------------------------------------------------------

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
                filled,
            )
        )
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


# --- what was built ---------------------------------------------------------------------------


@dataclass
class Built:
    landscape: Landscape
    models: dict[str, str]
    """The SQL of each model, as it was built."""
    random_plans: list[Plan]

    def rows(self, query: str) -> list[dict[str, Any]]:
        with self.landscape.replica.connect() as connection:
            return connection.cursor(row_factory=dict_row).execute(query.encode()).fetchall()


@pytest.fixture(scope="module")
def built(pair: EmbeddedPair, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Built]:
    random = Random(8)
    random_plans = [random_plan(random, number) for number in range(60)]
    plans = [plan_of(symbol, orders) for symbol, (orders, _) in CASES.items()] + random_plans
    if FREQTRADE.is_dir():
        plans += freqtrade_plans()
    landscape = make_landscape(pair, pair.urls().replica)
    write(landscape, plans)
    landscape.deploy()
    target = tmp_path_factory.mktemp("dbt")
    result = builds.build(
        landscape.primary,
        landscape.replica,
        fence_timeout=60,
        advance=lambda done, total, at: None,
        exclude=("resource_type:unit_test", "test_type:generic"),
        target=target,
    )
    assert not result.failures, [(node.name, node.message) for node in result.failures]
    nodes = json.loads((target / "manifest.json").read_text("utf-8"))["nodes"].values()
    models = {
        node["name"]: node["compiled_code"] for node in nodes if node["resource_type"] == "model"
    }
    yield Built(landscape, models, random_plans)
    drop_landscape(landscape)


# --- money ------------------------------------------------------------------------------------


@pytest.mark.parametrize("symbol", CASES)
def test_trades_are_right_to_the_last_decimal(built: Built, symbol: str) -> None:
    _, expected = CASES[symbol]
    trades = built.rows(
        "select direction, quantity, net_profit, result from performance.trades"
        f" where symbol = '{symbol}' order by opening_order_id, closing_order_id"
    )
    wanted = [text.split() for text in expected]
    assert [(t["direction"], t["quantity"], t["net_profit"], t["result"]) for t in trades] == [
        (direction, Decimal(quantity), Decimal(profit), result)
        for direction, quantity, profit, result in wanted
    ]
    assert (
        built.rows(f"select 1 from intermediate.int_open_positions where symbol = '{symbol}'") == []
    )

    (source,) = built.rows(
        "select trades, net_profit, hit_rate from performance.source_performance"
        f" where source_name = '{symbol.lower()}' and window_name = 'all'"
    )
    results = Counter(result for *_, result in wanted)
    decided = results["WIN"] + results["LOSS"]
    assert source == {
        "trades": len(wanted),
        "net_profit": sum(Decimal(profit) for *_, profit, _ in wanted),
        "hit_rate": results["WIN"] / decided if decided else None,
    }
    # On no later day is anything open.
    days = built.rows(
        "select distinct trading_date from performance.source_performance_daily"
        f" where source_name = '{symbol.lower()}' and has_open_position"
    )
    assert [day["trading_date"] for day in days] == [START.date()]


def test_trades_of_all_magnitudes_are_the_cash_that_their_fills_moved(built: Built) -> None:
    trades, still_open = defaultdict(list), defaultdict(list)
    for row in built.rows("select * from performance.trades where symbol like 'RANDOM%'"):
        trades[row["symbol"]].append(row)
    for row in built.rows(
        "select * from intermediate.int_open_positions where symbol like 'RANDOM%'"
    ):
        still_open[row["symbol"]].append(row)
    exact = 0
    for plan in built.random_plans:
        of_open = sum(
            (
                (1 if row["direction"] == "SHORT" else -1)
                * Fraction(row["open_quantity"])
                * Fraction(row["price"])
                - Fraction(row["fees"])
                for row in still_open[plan.symbol]
            ),
            start=Fraction(0),
        )
        closed = trades[plan.symbol]
        difference = plan.cash_flow() - of_open - sum(Fraction(t["net_profit"]) for t in closed)
        assert abs(difference) <= UNIT / 2 * len(closed), plan
        exact += bool(closed) and difference == 0
        for trade in closed:
            sign = 1 if trade["direction"] == "LONG" else -1
            move = Fraction(trade["exit_price"]) - Fraction(trade["entry_price"])
            profit = sign * move * Fraction(trade["quantity"]) - Fraction(trade["fees"])
            assert abs(profit - Fraction(trade["net_profit"])) <= UNIT / 2, trade
    assert exact > len(built.random_plans) / 2


@pytest.mark.skipif(
    not FREQTRADE.is_dir(), reason=f"no rows of the bot in {FREQTRADE} (SIGNAL_MARTS_CASES)"
)
def test_a_bots_trades_are_as_it_reckoned_them_itself(built: Built) -> None:
    trades = built.rows(
        "select * from performance.trades where source_name = 'freqtrade' order by opening_order_id"
    )
    own = freqtrade_rows("trades")
    assert len(trades) == len(own) == 179
    assert Counter(trade["result"] for trade in trades) == {
        "WIN": 48, "LOSS": 9, "BREAK_EVEN": 122,
    }  # fmt: skip
    of_pairs: dict[str, Decimal] = defaultdict(Decimal)
    of_own_pairs: dict[str, Decimal] = defaultdict(Decimal)
    for trade, row in zip(trades, own, strict=True):
        profit = Decimal(row["close_profit_abs"])
        assert (trade["symbol"], round(trade["net_profit"], 8)) == (row["pair"], profit)
        of_pairs[trade["symbol"]] += round(trade["net_profit"], 8)
        of_own_pairs[row["pair"]] += profit
    assert of_pairs == of_own_pairs
    assert sum(of_pairs.values()) == Decimal("0.00014430")

    (source,) = built.rows(
        "select * from performance.source_performance"
        " where source_name = 'freqtrade' and window_name = 'all'"
    )
    assert round(source["net_profit"], 11) == Decimal("0.00014429823")
    assert math.isclose(source["profit_factor"], 1.1860228, abs_tol=5e-8)
    assert source["hit_rate"] == 48 / 57
    gross = [trade["net_profit"] + trade["fees"] for trade in trades]
    assert math.isclose(sum(gross), 0.0010419029857, rel_tol=1e-9)


# --- doubles ----------------------------------------------------------------------------------

# Sums of some kind. The least and the greatest are the same in any order.
_OF_DOUBLES = """
    select pg_proc.oid, pg_proc.proname
    from pg_aggregate
    inner join pg_proc on pg_aggregate.aggfnoid = pg_proc.oid
    where
        pg_proc.proargtypes::oid[] && array['real'::regtype::oid, 'double precision'::regtype::oid]
        and pg_proc.proname not in ('min', 'max')
"""


def unordered_aggregates(connection: Any, query: str) -> list[str]:
    """The aggregates over doubles in a query that take its rows in whatever order they come."""
    of_doubles = {str(oid): name for oid, name in connection.execute(_OF_DOUBLES).fetchall()}
    with connection.transaction(force_rollback=True):
        connection.execute(sql.SQL("create temporary view looked_at as {}").format(sql.SQL(query)))
        (tree,) = connection.execute(
            "select ev_action::text from pg_rewrite where ev_class = 'looked_at'::regclass"
        ).fetchone()
    found = []
    for match in re.finditer(r"\{AGGREF :aggfnoid (\d+) .*?:aggorder (<>|\()", tree, re.DOTALL):
        if match[1] in of_doubles and match[2] == "<>":
            found.append(of_doubles[match[1]])
    for match in re.finditer(r"\{WINDOWFUNC :winfnoid (\d+) .*?:winref (\d+)", tree, re.DOTALL):
        if match[1] in of_doubles:
            # The window is in the clause that follows, of the same query.
            windows = re.finditer(
                r"\{WINDOWCLAUSE .*?:orderClause (<>|\().*?:winref (\d+)",
                tree[match.end() :],
                re.DOTALL,
            )
            if next(window[1] for window in windows if window[2] == match[2]) == "<>":
                found.append(f"{of_doubles[match[1]]} over")
    return found


@pytest.mark.parametrize(
    ("expression", "found"),
    [
        ("sum(x)", ["sum"]),
        ("avg(x), sum(x order by x), regr_slope(x, x)", ["avg", "regr_slope"]),
        ("sum(x) filter (where x > 0), var_samp(x order by x) filter (where x > 0)", ["sum"]),
        ("sum(x::numeric), max(x), count(x)", []),
        ("sum(x) over (order by x), stddev(x) over (partition by x)", ["stddev over"]),
        ("sum(x) over (order by x), avg(x) over w", ["avg over"]),
        ("max(x) filter (where x in (select sum(y) from (values (1.0::real)) as z(y)))", ["sum"]),
    ],
)
def test_an_aggregate_without_order_is_found(
    built: Built, expression: str, found: list[str]
) -> None:
    query = f"select row({expression})::text from (values (0.1::float8)) as v(x)"
    query += " window w as (partition by x)" if "over w" in expression else ""
    with built.landscape.replica.connect() as connection:
        assert unordered_aggregates(connection, query) == found


def test_no_sum_of_doubles_depends_on_the_order_of_rows(built: Built) -> None:
    with built.landscape.replica.connect() as connection:
        found = {
            name: aggregates
            for name, query in built.models.items()
            if (aggregates := unordered_aggregates(connection, query))
        }
    assert found == {}, "route them through sum_exactly or aggregate_in_order"
