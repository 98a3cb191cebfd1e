"""Rows that cannot be used: each is named, none stops another, and none is in a number.

One platform with columns of the widest types, and AI tables as if they had no constraints, holds
every kind of such a value in every column of the contract.
"""

from __future__ import annotations

import hashlib
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from drills import wait
from landscapes import Landscape, drop_landscape, make_landscape
from psycopg import sql

from runner.cli import cli
from runner.demo.embedded import EmbeddedPair
from runner.doctor.status import status
from runner.errors import Failure
from runner.platform.roles import ROLES
from runner.servers.contract import Table, read_contract
from runner.servers.database import Connection

if TYPE_CHECKING:
    pass
from rejected_market import (
    BEGIN,
    GOOD,
    HOSTILE,
    PLATFORM,
    Hostile,
    Market,
    drop_constraints,
    is_usable,
)

pytestmark = pytest.mark.timeout(1200)  # builds, and builds in full to compare them with


@pytest.fixture(scope="module")
def market(pair: EmbeddedPair) -> Iterator[Market]:
    """The widest platform, deployed, with rows that can be used, and their marts."""
    landscape = make_landscape(pair, pair.urls().replica, template="template1")
    landscape.on_primary(PLATFORM)
    landscape.deploy()
    folder = Path(tempfile.mkdtemp(prefix="signal-marts-rejected-"))
    made = Market(landscape, folder)
    with landscape.primary.connect() as primary:
        drop_constraints(primary)
    landscape.deploy()
    with landscape.primary.connect() as primary:
        for table in GOOD:
            made.insert(primary, table)
    yield made
    drop_landscape(landscape)
    shutil.rmtree(folder)


def _kinds(table: Table) -> Iterator[tuple[str, str, Any]]:
    key = ("symbol", "timeframe", "opened_at") if table.name == "market_bars" else ("id",)
    for column, data_type in table.columns:
        for value in HOSTILE[data_type]:
            if column == "id" or (value is None and column in key):
                continue
            if column == "model_id" and value is not None:
                continue
            yield column, data_type, value


def test_every_kind_of_value_in_every_column_is_named(market: Market) -> None:
    """Whether a build meets them among others or first of all; corrected, all come back."""
    first = market.build()
    assert not first.failures, first.failures
    assert market.rejected() == {}

    hostile: list[Hostile] = []
    usable = 0
    tables = [table for table in read_contract() if table.name in GOOD]
    with market.landscape.primary.connect() as primary:
        for table in tables:
            for column, data_type, value in _kinds(table):
                row = market.insert(primary, table.name, **{column: value})
                if table.name == "ai_models":
                    _trade_for_model(market, primary, row["id"])
                if is_usable(table.name, column, data_type, value) and not (
                    column == "filled_quantity" and value is None
                ):
                    usable += 1
                else:
                    good = row["good"][column]
                    hostile.append(Hostile(table.name, row["key"], column, value, good))
    wait(market.landscape)
    built = market.build(tests=True)
    assert not built.failures, "\n".join(f"{node.name} {node.message}" for node in built.failures)
    named = {
        (_named(row.table), _shown(row.key), "fee" if _fills_nothing(row) else row.column)
        for row in hostile
    }
    found = set(market.rejected())
    # A price that is none may be above the highest as well.
    assert named <= found
    assert {key[:2] for key in found} == {key[:2] for key in named}
    assert sum(rejected_rows_of(market).values()) == len(hostile)
    market.assert_equals_full()
    assert _unusable_numbers(market.landscape) == []
    assert _days(market.landscape) < 365

    with market.landscape.primary.connect() as primary:
        for each in hostile:
            market.update(primary, each, each.good)
    wait(market.landscape)
    assert not market.build().failures
    assert market.rejected() == {}
    market.assert_equals_full()


def rejected_rows_of(market: Market) -> Mapping[str, int]:
    """The rejected rows in status."""
    return status(market.landscape.primary, market.landscape.replica).rejected_rows


def _shown(key: str) -> str:
    """A key as an index can hold it."""
    if len(key.encode()) <= 2000:
        return key
    return key[:400] + hashlib.md5(key.encode(), usedforsecurity=False).hexdigest()


def _named(table: str) -> str:
    """How the marts name a raw table: the platform's by its view."""
    return f"mapped.{table}" if table in ROLES else f"public.{table}"


def _fills_nothing(row: Hostile) -> bool:
    """Then its fee is to blame."""
    return row.column == "filled_quantity" and row.value is None


def _days(landscape: Landscape) -> int:
    """How far the marts' calendar reaches."""
    ((days,),) = landscape.on_replica(
        "select max(trading_date) - min(trading_date) from performance.daily_performance"
    )
    assert isinstance(days, int)
    return days


def _trade_for_model(market: Market, primary: Connection, model: int) -> None:
    """A signal of the model, with a plan and an order; and a step of each kind of training."""
    plan = market.insert(primary, "trade_plans")["id"]
    market.insert(primary, "ai_trading_signals", model_id=model, trade_plan_id=plan)
    market.insert(primary, "trading_orders", trade_plan_id=plan)
    for steps in ("rl_training_episodes", "genetic_generations", "spectrum_analysis"):
        market.insert(primary, steps, model_id=model)


def _unusable_numbers(landscape: Landscape) -> list[str]:
    """Columns of marts with NaN or infinity."""
    found = []
    with landscape.replica.connect() as replica:
        columns = replica.execute(
            "select table_schema, table_name, column_name from information_schema.columns"
            " where table_schema in ('performance', 'ensemble', 'training', 'staging')"
            " and data_type in ('numeric', 'double precision')"
        ).fetchall()
        for schema, table, column in columns:
            rows = replica.execute(
                sql.SQL(
                    "select count(*) from {} where {}::text in ('NaN', 'Infinity', '-Infinity')"
                ).format(sql.Identifier(schema, table), sql.Identifier(column))
            ).fetchone()
            if rows != (0,):
                found.append(f"{schema}.{table}.{column}: {rows}")
    return found


def test_rows_that_are_judged_beside_others(market: Market) -> None:
    """The first of two that mean the same counts; the other one when the first is gone or bad."""
    with market.landscape.primary.connect() as primary:
        days = [market.insert(primary, "trading_stats") for _ in range(3)]
        for again in days[1:]:
            primary.execute(
                "update trading_stats set date = %s where id = %s", (days[0]["date"], again["id"])
            )
        market.insert(primary, "ai_models", model_name="a b", version="c")
        namesake = market.insert(primary, "ai_models", model_name="a", version="b c")
        at = BEGIN + timedelta(days=100)
        bars = [
            market.insert(primary, "market_bars", symbol=symbol, opened_at=at)
            for symbol in (" TWO", "TWO ", "TWO", "ONE ")
        ]

    def named(*of_stats: int) -> set[tuple[str, str, str]]:
        return {
            *(("mapped.trading_stats", days[i]["key"], "date") for i in of_stats),
            ("public.ai_models", namesake["key"], "model_name"),
            *(("public.market_bars", bars[i]["key"], "symbol") for i in blamed_bars),
        }

    blamed_bars = [0, 1]
    _build_and_compare(market)
    assert set(market.rejected()) == named(1, 2)
    seen = _first_seen(market)

    with market.landscape.primary.connect() as primary:
        primary.execute(
            "update trading_stats set net_profit = 'NaN' where id = %s", (days[0]["id"],)
        )
        primary.execute("delete from market_bars where symbol = 'TWO'")
    blamed_bars = [1]
    _build_and_compare(market)
    assert set(market.rejected()) == named(2) | {
        ("mapped.trading_stats", days[0]["key"], "net_profit")
    }
    assert market.landscape.on_replica(
        "select symbol, count(*) from staging.stg_ai__market_bars"
        " where symbol in ('ONE', 'TWO') group by symbol order by symbol"
    ) == [("ONE", 1), ("TWO", 1)]

    # A build in full finds the same rows, and knows since when.
    assert not market.build(select=["stg_platform__trading_stats"], full_refresh=True).failures
    now = _first_seen(market)
    assert all(now[key] == seen[key] for key in now.keys() & seen.keys())

    with market.landscape.primary.connect() as primary:
        primary.execute(
            "delete from trading_stats where id in (%s, %s)", [days[0]["id"], days[2]["id"]]
        )
        primary.execute("delete from ai_models where model_name = 'a b'")
        primary.execute("delete from market_bars where symbol = ' TWO'")
    _build_and_compare(market)
    assert market.rejected() == {}


def _first_seen(market: Market) -> dict[tuple[Any, ...], Any]:
    rows = market.landscape.on_replica(
        "select source_table, row_key, column_name, first_seen_at from operations.rejected_rows"
    )
    return {tuple(key): seen for *key, seen in rows}


def _build_and_compare(market: Market) -> None:
    wait(market.landscape)
    built = market.build()
    assert not built.failures, built.failures
    market.assert_equals_full()


def test_spellings_that_are_understood(market: Market) -> None:
    """Words in other cases and spellings, and symbols with blanks, mean what they mean."""
    with market.landscape.primary.connect() as primary:
        at = BEGIN + timedelta(days=30)
        signal = market.insert(
            primary,
            "ai_trading_signals",
            **{"symbol": "SOLUSD", "created_at": at, "imported_at": None, "expires_at": "infinity"},
            trade_plan_id=None,
        )
        orders = [
            market.insert(
                primary,
                "trading_orders",
                **{"symbol": symbol, "side": side, "filled_price": price, "status": status},
                **{"created_at": at, "filled_at": at + timedelta(minutes=minute)},
                **{"fee": 0, "trade_plan_id": None},
            )
            for minute, (symbol, side, price, status) in enumerate(
                (
                    ("SOLUSD    ", "buy", 10, " Filled "),
                    ("SOLUSD", "Sell\n", 15, "CANCELED"),
                ),
                start=1,
            )
        ]
    _build_and_compare(market)
    assert market.rejected() == {}
    replica = market.landscape.on_replica
    assert replica("select net_profit from performance.trades where symbol = 'SOLUSD'") == [(5,)]
    assert replica(
        "select signal_id, order_id from performance.order_attribution"
        f" where order_id = {orders[0]['id']}"
    ) == [(signal["id"], orders[0]["id"])]
    assert replica(
        "select order_status from staging.stg_platform__trading_orders"
        f" where order_id in ({orders[0]['id']}, {orders[1]['id']}) order by order_id"
    ) == [("FILLED",), ("CANCELLED",)]


def test_money_that_a_rejected_order_leaves_open_is_shown(market: Market) -> None:
    """No profit is claimed of an order without a price, nor is a fee lost that nothing earned."""
    with market.landscape.primary.connect() as primary:
        at = BEGIN + timedelta(days=60)
        others = {"symbol": "OPEN", "created_at": at, "trade_plan_id": None}
        bought = market.insert(
            primary, "trading_orders", price=0, filled_price=None, filled_at=at, fee=0, **others
        )
        market.insert(
            primary, "trading_orders", side="SELL", filled_price=110, filled_at=at, fee=0, **others
        )
        charged = market.insert(
            primary, "trading_orders", filled_quantity=0, filled_at=None, fee=3, **others
        )
        market.insert(primary, "trading_stats", date=at.date(), net_profit=7)
    _build_and_compare(market)
    assert set(market.rejected()) == {
        ("mapped.trading_orders", bought["key"], "filled_quantity"),
        ("mapped.trading_orders", charged["key"], "fee"),
    }
    replica = market.landscape.on_replica
    assert replica("select count(*) from performance.trades where symbol = 'OPEN'") == [(0,)]
    assert replica(
        "select reported_net_profit, unreconciled_profit from performance.daily_performance"
        f" where trading_date = '{at.date()}' and account = 'main' and currency = 'main'"
    ) == [(7, 7)]


def test_tests_name_the_rows_that_they_found(
    market: Market, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """In build's output and history, warnings too; and build reports the rows set aside."""
    with market.landscape.primary.connect() as primary:
        stray = market.insert(primary, "ai_trading_signals", pattern_id=10**6)
        order = market.insert(primary, "trading_orders", status="somewhere")
    _build_and_compare(market)
    market.landscape.on_replica(
        "update staging.stg_platform__trading_orders set side = 'NEITHER' where order_id = 1"
    )
    models = (
        *("stg_ai__models", "stg_platform__micro_patterns", "stg_platform__trade_plans"),
        *("stg_ai__trading_signals", "stg_platform__trading_orders"),
    )
    built = market.landscape.build(market.folder, *models, tests=True)
    (failed,) = built.failures
    assert '{"side": "NEITHER", "order_id": 1}' in failed.message
    found = [node.message for node in built.warnings]
    assert any(f'"signal_id": {stray["id"]}' in message for message in found), found
    assert market.landscape.on_replica(
        "select message from operations.build_history"
        f" where build_id = '{built.id}' and status = 'fail'"
    ) == [(failed.message,)]
    refreshed = market.build(select=["stg_platform__trading_orders"], full_refresh=True)
    assert not refreshed.failures

    monkeypatch.setenv("PRIMARY_URL", market.landscape.primary.url)
    monkeypatch.setenv("REPLICA_URL", market.landscape.replica.url)
    select = ("--select", "stg_platform__trade_plans")
    told = f"rows that cannot be used: {len(market.rejected())} of mapped.trading_orders"
    cli(["build", *select], standalone_mode=False)
    assert told in capsys.readouterr().err
    monkeypatch.setenv("SIGNAL_MARTS_FAIL_ON_REJECTED_ROWS", "true")
    with pytest.raises(Failure, match=told):
        cli(["build", *select], standalone_mode=False)
    assert ("mapped.trading_orders", order["key"], "status") in market.rejected()


def test_a_row_of_the_future_comes_when_its_time_has_come(market: Market) -> None:
    """The clock is the primary's: the token that a build writes there. This test moves it on."""
    primary, replica = market.landscape.on_primary, market.landscape.on_replica
    ((at,),) = primary("select written_at + interval '30 hours' from ai_replication_fence")
    with market.landscape.primary.connect() as connection:
        early = market.insert(connection, "trade_plans", created_at=at)
    _build_and_compare(market)
    assert ("mapped.trade_plans", early["key"], "created_at") in market.rejected()
    # While the token is copied again, nothing tells which rows are too early.
    replica("delete from ai_replication_fence")
    for full_refresh in (False, True):
        refused = market.build(select=["stg_platform__trade_plans"], full_refresh=full_refresh)
        assert "holds no moment of the primary" in refused.failures[0].message
    assert ("mapped.trade_plans", early["key"], "created_at") in market.rejected()
    primary("update ai_replication_fence set written_at = written_at + interval '20 hours'")
    market.landscape.deploy(resync=["public.ai_replication_fence"])
    _build_and_compare(market)
    assert ("mapped.trade_plans", early["key"], "created_at") not in market.rejected()
    assert replica(
        "select created_at from staging.stg_platform__trade_plans"
        f" where trade_plan_id = {early['id']}"
    ) == [(at,)]
