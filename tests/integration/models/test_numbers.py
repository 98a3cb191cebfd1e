"""Money to its last decimal, and doubles to their last digit, of everything built once.

Prices and quantities of all magnitudes are written to the primary; beside the clone, there may be a
real bot's trades in BTC, which it reckoned itself (SIGNAL_MARTS_CASES).
"""

from __future__ import annotations

import json
import math
import re
import statistics
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction
from operator import itemgetter
from random import Random
from typing import Any

import pytest
from landscapes import Landscape, drop_landscape, make_landscape
from planned_trades import (
    CASES,
    FREQTRADE,
    START,
    UNIT,
    Advice,
    Plan,
    advise,
    freqtrade_plans,
    freqtrade_rows,
    plan_of,
    random_plan,
    write,
)
from psycopg import sql
from psycopg.rows import dict_row
from scipy import stats
from statsmodels.stats.proportion import proportion_confint

from runner.build import builds
from runner.demo.embedded import EmbeddedPair

# --- what was built ---------------------------------------------------------------------------


@dataclass
class Built:
    landscape: Landscape
    models: dict[str, str]
    """The SQL of each table, as it was built."""
    random_plans: list[Plan]
    advice: Advice
    """Signals on the random plans."""

    def rows(self, query: str) -> list[dict[str, Any]]:
        with self.landscape.replica.connect() as connection:
            return connection.cursor(row_factory=dict_row).execute(query.encode()).fetchall()


@pytest.fixture(scope="module")
def built(pair: EmbeddedPair, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Built]:
    random = Random(8)
    random_plans = [random_plan(random, number) for number in range(60)]
    plans = random_plans + [plan_of(symbol, orders) for symbol, (orders, _) in CASES.items()]
    if FREQTRADE.is_dir():
        plans += freqtrade_plans()
    landscape = make_landscape(pair, pair.urls().replica)
    write(landscape, plans)
    landscape.deploy()
    advice = advise(landscape, random_plans, random)
    target = tmp_path_factory.mktemp("dbt")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("DBT_WRITE_JSON", "yes")
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
        node["name"]: node["compiled_code"]
        for node in nodes
        # The rows of a view are of the moment at which it is read.
        if node["resource_type"] == "model" and node["config"]["materialized"] != "view"
    }
    yield Built(landscape, models, random_plans, advice)
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


def test_gaps_are_exact_between_all_magnitudes(built: Built) -> None:
    """Each part from the prices of bars, orders and lots themselves."""
    gaps = {row["signal_id"]: row for row in built.rows("select * from performance.signal_gaps")}
    outcomes = {
        row["signal_id"]: row for row in built.rows("select * from performance.signal_outcomes")
    }
    lots = defaultdict(list)
    for row in built.rows("select * from performance.trades where signal_id is not null"):
        lots[row["signal_id"]].append(row)
    placed_at = {
        row["order_id"]: row["created_at"]
        for row in built.rows("select * from staging.stg_platform__trading_orders")
    }
    still_open = {
        row["signal_id"] for row in built.rows("select * from intermediate.int_open_positions")
    }
    seen: Counter[str] = Counter()
    for plan, signal in zip(built.random_plans, built.advice.signals, strict=True):
        outcome = outcomes[signal.id]
        if outcome["resolved_at"] is None or signal.id in still_open:
            assert signal.id not in gaps
            continue
        gap = gaps[signal.id]
        entry, leave = Fraction(outcome["entry_price"]), Fraction(outcome["exit_price"])
        unit = (leave - entry) * (1 if signal.side == "BUY" else -1)
        ordered = sum(Fraction(o.ordered) for o in plan.orders if o.side == signal.side)
        expected: dict[str, Fraction] = defaultdict(Fraction)
        expected["hypothetical_profit"] = 1000 * unit / entry
        expected["size"] = (
            expected["hypothetical_profit"] - unit * ordered if ordered else Fraction(0)
        )
        expected["not_traded"] = expected["hypothetical_profit"] - expected["size"]
        for lot in lots[signal.id]:
            quantity = Fraction(lot["quantity"]) * (1 if lot["direction"] == "LONG" else -1)
            opened, closed = Fraction(lot["entry_price"]), Fraction(lot["exit_price"])
            at = placed_at[lot["opening_order_id"]]
            met = Fraction(built.advice.last_close(plan.symbol, at) or entry)
            expected["not_traded"] -= (leave - entry) * quantity
            expected["delay"] += (met - entry) * quantity
            expected["price"] += (opened - met) * quantity
            expected["exit"] += (leave - closed) * quantity
            expected["fees"] += Fraction(lot["fees"])
            expected["real_profit"] += Fraction(lot["net_profit"])
        parts = ("size", "not_traded", "delay", "price", "exit", "fees")
        for name in ("hypothetical_profit", *parts, "real_profit"):
            tolerance = UNIT if name in ("hypothetical_profit", "size", "not_traded") else UNIT / 2
            assert abs(Fraction(gap[name]) - expected[name]) <= tolerance, (signal, name)
            seen[name] += gap[name] != 0
        assert gap["residual"] == 0
        assert gap["executed_trades"] == len(lots[signal.id])
    assert min(seen.values()) >= 3, seen


def held(trade: Mapping[str, Any]) -> tuple[int, str]:
    hours = (trade["exit_at"] - trade["entry_at"]).total_seconds() / 3600
    limits = {1: "under 1 h", 4: "1 h to 4 h", 24: "4 h to 1 d", 168: "1 d to 7 d"}
    return next(
        ((n, text) for n, (limit, text) in enumerate(limits.items(), 1) if hours < limit),
        (5, "7 d and more"),
    )


DIMENSIONS: dict[str, Callable[[Mapping[str, Any]], tuple[int, str]]] = {
    "symbol": lambda trade: (0, trade["symbol"]),
    "direction": lambda trade: (0, trade["direction"]),
    "entry_tag": lambda trade: (0, trade["entry_tag"] or "unknown"),
    "exit_reason": lambda trade: (0, trade["exit_reason"] or "unknown"),
    "entry_hour": lambda trade: (trade["entry_at"].hour, str(trade["entry_at"].hour)),
    "entry_weekday": lambda trade: (
        trade["entry_at"].isoweekday(), f"{trade['entry_at']:%A}",
    ),
    "holding_time": held,
}  # fmt: skip


def test_breakdowns_are_those_of_the_trades(built: Built) -> None:
    groups = defaultdict(list)
    for trade in built.rows("select * from performance.trades"):
        for dimension, value_of in DIMENSIONS.items():
            for source in {trade["source_name"], "all"}:
                key = (trade["source_type"], source, dimension, *value_of(trade))
                groups[key].append(trade)
    rows = {
        itemgetter("source_type", "source_name", "dimension", "place", "dimension_value")(row): row
        for row in built.rows("select * from performance.trade_breakdowns")
    }
    assert rows.keys() == groups.keys()
    assert len({key[-1] for key in rows}) > 50
    for key, trades in groups.items():
        row, profits = rows[key], [Fraction(trade["net_profit"]) for trade in trades]
        results = Counter(trade["result"] for trade in trades)
        assert (row["trades"], row["winning_trades"], row["losing_trades"]) == (
            len(trades), results["WIN"], results["LOSS"],
        )  # fmt: skip
        assert row["net_profit"] == sum(profits)
        assert row["fees"] == sum(Fraction(trade["fees"]) for trade in trades)
        decided = results["WIN"] + results["LOSS"]
        if decided:
            ends = proportion_confint(results["WIN"], decided, method="wilson")
            assert (row["hit_rate_lower"], row["hit_rate_upper"]) == pytest.approx(ends, abs=1e-9)
        if len(trades) < 5:
            assert (row["expectancy_lower"], row["expectancy_upper"]) == (None, None)
            continue
        mean, error = float(statistics.mean(profits)), float(statistics.stdev(profits))
        reach = stats.t.ppf(0.975, len(trades) - 1) * error / math.sqrt(len(trades))
        assert row["expectancy_lower"] == pytest.approx(mean - reach, abs=1e-8 * reach + 1e-18)
        assert row["expectancy_upper"] == pytest.approx(mean + reach, abs=1e-8 * reach + 1e-18)


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
