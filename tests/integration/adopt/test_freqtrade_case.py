"""The preset for freqtrade on the trades of its public backtest, against what the bot says of them.

SIGNAL_MARTS_CASES names the folder that holds ``freqtrade/``: the bot's own two tables.
"""

from __future__ import annotations

import csv
import gzip
import math
import os
from collections import defaultdict
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
from landscapes import Landscape, drop_landscape, make_landscape
from platform_marts import MODELS
from psycopg.rows import dict_row

from runner.demo.embedded import EmbeddedPair
from runner.settings import PROJECT

CASES = Path(os.environ.get("SIGNAL_MARTS_CASES", PROJECT.parent / "shared/cases"))
FOLDER = CASES / "freqtrade"
PRESET = PROJECT / "runner/adopt/presets/freqtrade.yml"

pytestmark = pytest.mark.skipif(
    not FOLDER.is_dir(), reason=f"no trades of freqtrade in {FOLDER} (SIGNAL_MARTS_CASES)"
)

# What the bot says of all trades.
GROSS_PROFIT = 0.0010419029857
GROSS_PROFIT_FACTOR = 2.4223288739520954
NET_PROFIT = 0.00014429823  # before it rounds each trade to 8 decimals
NET_PROFIT_FACTOR = 1.1860228
WINS, LOSSES, DRAWS = 48, 9, 122
# Of an account that began with 0.01 BTC.
BALANCE, DRAWDOWN_OF_THE_BALANCE = 0.01, 0.0227196

HALF_A_DECIMAL = 5e-9  # of the profit of a trade, which the bot stores with 8 decimals

Row = dict[str, Any]


def rows_of(name: str) -> list[dict[str, str]]:
    with gzip.open(FOLDER / f"{name}.csv.gz", "rt", encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


@pytest.fixture(scope="module")
def adopted(pair: EmbeddedPair, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Landscape]:
    """The bot's tables, adopted, deployed and built."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SIGNAL_MARTS_PLATFORM", str(PRESET))
        made = make_landscape(pair, pair.urls().replica, template="template1")
        with made.primary.connect() as connection:
            connection.execute((FOLDER / "schema.sql").read_bytes())
            for name in ("trades", "orders"):
                with (
                    gzip.open(FOLDER / f"{name}.csv.gz") as file,
                    connection.cursor().copy(
                        f"copy {name} from stdin (format csv, header match)".encode()
                    ) as copy,
                ):
                    copy.write(file.read())
        made.deploy()
        # The day of the last trade is over once something later is known.
        made.on_primary(
            "insert into market_bars (symbol, timeframe, opened_at, open, high, low, close, volume)"
            " values ('ETH/BTC', '1d', '2018-02-01 00:00Z', 1, 1, 1, 1, 1)"
        )
        built = made.build(
            tmp_path_factory.mktemp("dbt"), *MODELS, "+source_performance", "+symbol_performance"
        )
        assert not built.failures, built.failures
        yield made
        drop_landscape(made)


def found(landscape: Landscape, query: str) -> list[Row]:
    with landscape.replica.connect() as connection:
        return connection.cursor(row_factory=dict_row).execute(query.encode()).fetchall()


def trades(landscape: Landscape) -> list[Row]:
    return found(
        landscape,
        "select trades.*, orders.trade_plan_id from performance.trades"
        " inner join staging.stg_platform__trading_orders as orders"
        " on trades.opening_order_id = orders.order_id"
        " order by exit_at, closing_order_id, opening_order_id",
    )


def profit_factor(profits: Sequence[float]) -> float:
    return sum(each for each in profits if each > 0) / -sum(each for each in profits if each < 0)


def largest_fall(profits: Sequence[float], *, of: float | None = None) -> float:
    """From a peak so far, the start counted; where it is of a balance, as a share of the peak."""
    cumulated = peak = of or 0.0
    largest = 0.0
    for profit in profits:
        cumulated += profit
        peak = max(peak, cumulated)
        largest = max(largest, (peak - cumulated) / (peak if of else 1))
    return largest


def test_every_trade_earned_what_the_bot_says(adopted: Landscape) -> None:
    told = {int(row["id"]): row for row in rows_of("trades")}
    ours = trades(adopted)
    assert len(ours) == len(told) == 179
    assert {row["trade_plan_id"] for row in ours} == told.keys()
    for row in ours:
        trade = told[row["trade_plan_id"]]
        profit = float(trade["close_profit_abs"])
        assert abs(float(row["net_profit"]) - profit) < HALF_A_DECIMAL, trade
        assert row["symbol"] == trade["pair"]
        assert row["exit_reason"] == trade["exit_reason"]
        assert row["result"] == ("WIN" if profit > 0 else "LOSS" if profit < 0 else "BREAK_EVEN")


def test_the_whole_is_as_the_bot_says(adopted: Landscape) -> None:
    ours = trades(adopted)
    net = [float(row["net_profit"]) for row in ours]
    gross = [float(row["net_profit"] + row["fees"]) for row in ours]
    assert math.isclose(sum(gross), GROSS_PROFIT, rel_tol=1e-9)
    assert math.isclose(profit_factor(gross), GROSS_PROFIT_FACTOR, rel_tol=1e-9)
    assert math.isclose(sum(net), NET_PROFIT, abs_tol=1e-11)
    (source,) = found(
        adopted,
        "select * from performance.source_performance"
        " where source_name = 'StrategyTestV3' and window_name = 'all'",
    )
    assert source["trades"] == 179
    assert math.isclose(source["net_profit"], sum(net), rel_tol=1e-9)
    assert math.isclose(source["profit_factor"], NET_PROFIT_FACTOR, abs_tol=5e-8)
    assert math.isclose(source["hit_rate"], WINS / (WINS + LOSSES), rel_tol=1e-9)
    assert math.isclose(source["expectancy"], sum(net) / 179, rel_tol=1e-9)


def test_the_drawdown_by_trade_is_that_of_the_trades_of_the_bot(adopted: Landscape) -> None:
    by_exit = sorted(rows_of("trades"), key=lambda row: (row["close_date"], int(row["id"])))
    # As the bot reckons a profit, before it rounds it.
    profits = [
        float(row["amount"])
        * (
            float(row["close_rate"]) * (1 - float(row["fee_close"]))
            - float(row["open_rate"]) * (1 + float(row["fee_open"]))
        )
        for row in by_exit
    ]
    rows = found(
        adopted,
        "select source_name, max_drawdown_by_trade from performance.source_performance"
        " where source_type = 'traditional' and window_name = 'all'",
    )
    assert {row["source_name"] for row in rows} == {"StrategyTestV3", "all"}
    for row in rows:
        assert math.isclose(row["max_drawdown_by_trade"], largest_fall(profits), rel_tol=1e-9)
    ours = [float(row["net_profit"]) for row in trades(adopted)]
    assert math.isclose(largest_fall(ours, of=BALANCE), DRAWDOWN_OF_THE_BALANCE, abs_tol=5e-8)


def test_every_pair_is_as_the_bot_says(adopted: Landscape) -> None:
    told = defaultdict(list)
    for trade in rows_of("trades"):
        told[trade["pair"]].append(float(trade["close_profit_abs"]))
    rows = {
        row["symbol"]: row
        for row in found(
            adopted,
            "select * from performance.symbol_performance where source_name = 'StrategyTestV3'",
        )
    }
    assert rows.keys() == told.keys()
    for pair, profits in told.items():
        row = rows[pair]
        assert (row["account"], row["currency"]) == ("binance", "BTC")
        assert row["trades"] == len(profits)
        assert row["winning_trades"] == sum(profit > 0 for profit in profits)
        assert row["losing_trades"] == sum(profit < 0 for profit in profits)
        assert abs(float(row["net_profit"]) - sum(profits)) < len(profits) * HALF_A_DECIMAL, pair
    counted = [
        sum(row[name] for row in rows.values())
        for name in ("winning_trades", "losing_trades", "break_even_trades")
    ]
    assert counted == [WINS, LOSSES, DRAWS]


def test_every_day_is_reconciled_and_no_row_set_aside(adopted: Landscape) -> None:
    days = {row["close_date"][:10] for row in rows_of("trades")}
    told = found(
        adopted,
        "select trading_date::text, is_reconciled from performance.daily_performance"
        " where reported_net_profit is not null",
    )
    assert {row["trading_date"] for row in told} == days
    assert all(row["is_reconciled"] for row in told)
    assert found(adopted, "select * from operations.rejected_rows") == []
