"""Accounts and currencies: a small history of which every figure was worked out by hand.

Two accounts in USDT and one in BTC trade the symbol X, and orders that name no account do too.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from landscapes import Landscape, drop_landscape, make_landscape

from runner.demo.embedded import EmbeddedPair

# id, plan, account, currency, symbol, side, quantity, price, fee, time
ORDERS = """
     1  -  spot  USDT  X  BUY   1  100   1  2026-01-05 10:00
     2  -  bot   USDT  X  SELL  1  120   0  2026-01-05 11:00
     3  -  bot   USDT  X  BUY   1  110   0  2026-01-06 10:00
     4  -  spot  USDT  X  SELL  1  90    2  2026-01-06 11:00
     5  -  spot  BTC   X  BUY   2  0.5   0  2026-01-06 12:00
     6  -  spot  BTC   X  SELL  2  0.75  0  2026-01-07 10:00
     7  1  spot  USDT  X  BUY   1  50    0  2026-01-07 09:00
     8  1  bot   USDT  X  BUY   1  60    0  2026-01-07 09:30
     9  1  bot   USDT  X  SELL  1  65    0  2026-01-07 10:00
    10  -  -     -     X  BUY   1  10    0  2026-01-07 13:00
    11  -  main  -     X  SELL  1  11    0  2026-01-07 14:00
    12  -  spot  USDT  Y  BUY   1  1     0  2026-01-07 12:00
    13  -  spot  USDT  Y  SELL  1  2     0  2026-01-07 15:00
    14  -  spot  BTC   Y  BUY   1  1     0  2026-01-07 12:00
    15  -  spot  BTC   Y  SELL  1  3     0  2026-01-07 15:00
    16  -  all   USDT  X  SELL  1  999   0  2026-01-07 16:00
"""
# The last one is a second report of one day: 'main' is the account without a name.
REPORTS = """
    spot  USDT  2026-01-06  -13
    bot   USDT  2026-01-06  12
    spot  BTC   2026-01-07  2.5
    -     -     2026-01-07  1
    main  main  2026-01-07  99
"""


def cells(table: str) -> list[list[str | None]]:
    return [
        [None if cell == "-" else cell for cell in line.split()]
        for line in table.strip().splitlines()
    ]


@dataclass
class Built:
    landscape: Landscape
    target: Path

    def build(self) -> None:
        """With the tests of the data, such as that the sources add up to their accounts."""
        result = self.landscape.build(self.target)
        assert not result.failures, [(node.name, node.message) for node in result.failures]

    def rows(self, query: str) -> list[tuple[Any, ...]]:
        """Numerics without trailing zeros."""
        return [
            tuple(cell.normalize() + 0 if isinstance(cell, Decimal) else cell for cell in row)
            for row in self.landscape.on_replica(query)
        ]


@pytest.fixture(scope="module")
def built(pair: EmbeddedPair, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Built]:
    landscape = make_landscape(pair, pair.urls().replica)
    landscape.deploy()
    with landscape.primary.connect() as connection:
        connection.execute(
            "truncate trading_stats, trading_orders, trade_plans, micro_patterns cascade;"
            "insert into trade_plans (id, strategy, symbol, entry_price_target, stop_loss_price,"
            " take_profit_1_price, created_at) values (1, 'grid', 'X', 1, 1, 1, '2026-01-07Z');"
            "insert into ai_models (id, model_type, model_name, version, created_at)"
            " values (1, 'sparse_spectrum', 'cycles', '1', '2026-01-05Z');"
            "insert into ai_trading_signals (id, model_id, symbol, signal_type, confidence,"
            " created_at) values (1, 1, 'Y', 'BUY', 0.5, '2026-01-07 08:00Z')"
        )
        for number, plan, account, currency, symbol, side, quantity, price, fee, *time in cells(
            ORDERS
        ):
            at = " ".join(filter(None, time)) + "Z"
            connection.execute(
                "insert into trading_orders (id, client_order_id, trade_plan_id, account, currency,"
                " symbol, side, quantity, filled_quantity, filled_price, fee, created_at,"
                " filled_at, order_type, status, created_by)"
                " values (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, 'MARKET', 'FILLED',"
                " 'test')",
                (
                    *(number, number, plan, account, currency, symbol, side),
                    *(quantity, quantity, price, fee, at, at),
                ),
            )
        for account, currency, day, profit in cells(REPORTS):
            connection.execute(
                "insert into trading_stats (account, currency, date, net_profit)"
                " values (%s, %s, %s, %s)",
                (account, currency, day, profit),
            )
    made = Built(landscape, tmp_path_factory.mktemp("target"))
    made.build()
    yield made
    drop_landscape(landscape)


def trades(built: Built) -> list[tuple[Any, ...]]:
    return built.rows(
        "select trade_id, account, currency, direction, matched_within, net_profit"
        " from performance.trades order by opening_order_id, closing_order_id"
    )


def test_rows_that_name_all_accounts_or_a_reported_day_are_set_aside(built: Built) -> None:
    assert built.rows(
        "select row_key, column_name, reason from operations.rejected_rows"
        " where source_table like '%.trading_orders'"
    ) == [("16", "account", "longer than 64 characters, or the name of all accounts together")]
    assert built.rows(
        "select value, reason from operations.rejected_rows"
        " where source_table like '%.trading_stats'"
    ) == [("2026-01-07", "the day was reported before")]


def test_lots_are_matched_within_an_account_and_currency(built: Built) -> None:
    """Were all accounts one, order 2 would close order 1, and order 9 the unit of order 7."""
    assert trades(built) == [
        ("1-4", "spot", "USDT", "LONG", "symbol", Decimal(-13)),
        ("2-3", "bot", "USDT", "SHORT", "symbol", Decimal(10)),
        ("5-6", "spot", "BTC", "LONG", "symbol", Decimal("0.5")),
        ("8-9", "bot", "USDT", "LONG", "trade_plan", Decimal(5)),
        ("10-11", "main", "main", "LONG", "symbol", Decimal(1)),
        ("12-13", "spot", "USDT", "LONG", "symbol", Decimal(1)),
        ("14-15", "spot", "BTC", "LONG", "symbol", Decimal(2)),
    ]
    open_orders = built.rows("select order_id, account from intermediate.int_open_positions")
    assert open_orders == [(7, "spot")]


def test_sources_are_those_of_an_account_and_of_all_of_a_currency(built: Built) -> None:
    rows = built.rows(
        "select source_type, account, currency, is_all_accounts, days, trades, net_profit,"
        " longest_win_streak, longest_loss_streak, max_drawdown_by_trade,"
        " total_return, max_drawdown"
        " from performance.source_performance"
        " where window_name = 'all' and source_name = 'all'"
        ' order by source_type, currency collate "C", account collate "C"'
    )
    # The model is silent in the account without a name from this account's first day on.
    assert [row[:10] for row in rows] == [
        ("ai", "spot", "BTC", True, 2, 1, Decimal(2), 1, 0, 0),
        ("ai", "all", "USDT", True, 2, 1, Decimal(1), 1, 0, 0),
        ("ai", "spot", "USDT", False, 1, 1, Decimal(1), 1, 0, 0),
        ("ai", "main", "main", True, 1, 0, Decimal(0), 0, 0, None),
        ("traditional", "spot", "BTC", True, 2, 1, Decimal("0.5"), 1, 0, 0),
        # A loss of one account lies between two wins of the other.
        ("traditional", "all", "USDT", True, 2, 3, Decimal(2), 1, 1, 13),
        ("traditional", "bot", "USDT", False, 2, 2, Decimal(15), 2, 0, 0),
        ("traditional", "spot", "USDT", False, 2, 1, Decimal(-13), 0, 1, 13),
        ("traditional", "main", "main", True, 1, 1, Decimal(1), 1, 0, 0),
    ]
    returns = {row[:3]: row[10:] for row in rows}
    # Two accounts begin with twice 100,000: 199,997 on the 6th, 200,002 on the 7th.
    assert returns["traditional", "all", "USDT"] == pytest.approx((2 / 200_000, -3 / 200_000))
    assert returns["traditional", "bot", "USDT"] == pytest.approx((15 / 100_000, 0))


def test_days_are_reconciled_account_by_account(built: Built) -> None:
    assert built.rows(
        "select trading_date::text, account, currency, reported_net_profit, unreconciled_profit,"
        " is_reconciled, ai_net_profit, traditional_net_profit, ai_buy_signals"
        " from performance.daily_performance where trading_date > '2026-01-05'"
        ' order by trading_date, currency collate "C", account collate "C"'
    ) == [
        ("2026-01-06", "spot", "BTC", None, None, None, 0, 0, 0),
        ("2026-01-06", "bot", "USDT", 12, 2, False, 0, 10, 0),
        ("2026-01-06", "spot", "USDT", -13, 0, True, 0, -13, 0),
        ("2026-01-06", "main", "main", None, None, None, 0, 0, 0),
        ("2026-01-07", "spot", "BTC", Decimal("2.5"), 0, True, 2, Decimal("0.5"), 1),
        ("2026-01-07", "bot", "USDT", None, None, None, 0, 5, 1),
        ("2026-01-07", "spot", "USDT", None, None, None, 1, 0, 1),
        ("2026-01-07", "main", "main", 1, 0, True, 0, 1, 1),
    ]


def test_profits_of_a_signal_in_two_currencies_have_no_sum(built: Built) -> None:
    assert built.rows(
        "select executed_trades, executed_quantity, executed_currency, executed_net_profit,"
        " executed_return from performance.signal_outcomes"
    ) == [(2, 2, None, None, None)]
    assert built.rows(
        "select order_count, last_order_id, account, currency from ensemble.signal_confluence"
    ) == [(2, 14, "spot", "BTC")]


def test_an_order_that_moves_to_the_other_account_nets_there(built: Built) -> None:
    built.landscape.on_primary("update trading_orders set account = ' bot' where id = 1")
    built.build()
    # Order 3 is open now; the sell 4 opens a short, which the order of the plan closes.
    assert trades(built)[:4] == [
        ("1-2", "bot", "USDT", "LONG", "symbol", Decimal(19)),
        ("4-7", "spot", "USDT", "SHORT", "symbol", Decimal(38)),
        ("5-6", "spot", "BTC", "LONG", "symbol", Decimal("0.5")),
        ("8-9", "bot", "USDT", "LONG", "trade_plan", Decimal(5)),
    ]


def test_an_account_that_empties_leaves_its_currency_to_the_other(built: Built) -> None:
    """Only the spot account is left in USDT: it stands for all of them, and 'all' is gone."""
    built.landscape.on_primary(
        "delete from trading_stats where account = 'bot';"
        "update trading_orders set account = 'spot' where account like '%bot'"
    )
    built.build()
    assert built.rows(
        "select distinct account, is_all_accounts from performance.source_performance_daily"
        " where currency = 'USDT'"
    ) == [("spot", True)]
    # The plan's 7 and 9 first; then 1 and 2, 3 and 4, and 8 stays open.
    assert [(row[0], row[5]) for row in trades(built) if row[2] == "USDT"] == [
        ("1-2", 19),
        ("3-4", -22),
        ("7-9", 15),
        ("12-13", 1),
    ]
