"""Rows that cannot be used: each is named, none stops another, and none is in a number.

One platform with columns of the widest types, and AI tables as if they had no constraints, holds
every kind of such a value in every column of the contract.
"""

from __future__ import annotations

import shutil
import tempfile
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from drills import wait
from full_builds import FullBuild
from landscapes import Landscape, drop_landscape, make_landscape
from psycopg import sql
from psycopg.types.json import Jsonb

from runner.build import builds, transform
from runner.cli import cli
from runner.demo.embedded import EmbeddedPair
from runner.doctor.status import status
from runner.errors import Failure
from runner.servers.contract import Table, read_contract
from runner.servers.database import Connection

if TYPE_CHECKING:
    from dbt.contracts.graph.manifest import Manifest

pytestmark = pytest.mark.timeout(1200)  # builds, and builds in full to compare them with

PLATFORM = """
    create table micro_patterns (
        id bigint primary key, symbol text, pattern_type text, signal text,
        confidence numeric, created_at timestamptz
    );
    create table trade_plans (
        id bigint primary key, symbol text, strategy text, entry_price_target numeric,
        stop_loss_price numeric, take_profit_1_price numeric, signal_details jsonb,
        created_at timestamptz
    );
    create table trading_orders (
        id bigint primary key, trade_plan_id bigint, symbol text, side text, quantity numeric,
        price numeric, filled_quantity numeric, filled_price numeric, fee numeric, status text,
        created_at timestamptz, filled_at timestamptz
    );
    create table trading_stats (
        id bigint primary key, date date, net_profit numeric, total_trades integer,
        winning_trades integer, losing_trades integer
    );
"""

# A row of each table, every copy of which can be used.
GOOD: Mapping[str, Mapping[str, Any]] = {
    "ai_models": {
        "model_type": "sparse_spectrum",
        "model_name": "model {n}",
        "version": "1",
        "config": Jsonb({}),
        "is_active": True,
        "created_at": "2025-03-01Z",
        "updated_at": "2025-03-01Z",
    },
    "ai_trading_signals": {
        "model_id": 1,
        "symbol": "BTCUSD",
        "signal_type": "BUY",
        "confidence": 0.7,
        "price_target": 110,
        "stop_loss": 95,
        "take_profit": 110,
        "metadata": Jsonb({}),
        "pattern_id": 1,
        "trade_plan_id": 1,
        "status": "ACTIVE",
        "idempotency_key": "key {n}",
        "expires_at": "2025-03-02Z",
        "created_at": "2025-03-01 12:00Z",
        "updated_at": "2025-03-01 12:00Z",
        "imported_at": "2025-03-01 12:00Z",
    },
    "rl_training_episodes": {
        "model_id": 1,
        "episode_number": "{n}",
        "total_reward": 1.5,
        "episode_length": 10,
        "average_loss": 0.1,
        "portfolio_value": 1000,
        "sharpe_ratio": 0.5,
        "training_data": Jsonb({}),
        "created_at": "2025-03-01 12:00Z",
        "imported_at": "2025-03-01 12:00Z",
    },
    "genetic_generations": {
        "model_id": 1,
        "generation_number": "{n}",
        "best_fitness": 1.5,
        "average_fitness": 1,
        "population_diversity": 0.1,
        "best_individual": Jsonb({}),
        "created_at": "2025-03-01 12:00Z",
        "imported_at": "2025-03-01 12:00Z",
    },
    "spectrum_analysis": {
        "model_id": 1,
        "symbol": "BTCUSD",
        "analysis_type": "fourier",
        "dominant_frequencies": Jsonb([{"period_bars": 12, "amplitude": 0.5}]),
        "pattern_confidence": 0.5,
        "anomaly_score": 1,
        "analysis_data": Jsonb({}),
        "created_at": "2025-03-01 12:00Z",
        "imported_at": "2025-03-01 12:00Z",
    },
    "market_bars": {
        "symbol": "BTCUSD",
        "timeframe": "1h",
        "open": 100,
        "high": 101,
        "low": 99,
        "close": 100,
        "volume": 1,
    },
    "micro_patterns": {
        "symbol": "BTCUSD",
        "pattern_type": "engulfing",
        "signal": "BUY",
        "confidence": 0.7,
        "created_at": "2025-03-01 11:00Z",
    },
    "trade_plans": {
        "symbol": "BTCUSD",
        "strategy": "breakout",
        "entry_price_target": 100,
        "stop_loss_price": 95,
        "take_profit_1_price": 110,
        "signal_details": Jsonb({}),
        "created_at": "2025-03-01 12:00Z",
    },
    "trading_orders": {
        "trade_plan_id": 1,
        "symbol": "BTCUSD",
        "side": "BUY",
        "quantity": 1,
        "price": 100,
        "filled_quantity": 1,
        "filled_price": 100,
        "fee": 0.1,
        "status": "FILLED",
        "created_at": "2025-03-01 12:00Z",
        "filled_at": "2025-03-01 12:00Z",
    },
    "trading_stats": {
        "net_profit": 1,
        "total_trades": 1,
        "winning_trades": 1,
        "losing_trades": 0,
    },
}

BEGIN = datetime(2025, 3, 2, tzinfo=UTC)

_TIMES = ("1970-01-01", "2125-06-01", "infinity", "-infinity")
HOSTILE: Mapping[str, tuple[Any, ...]] = {
    "numeric": ("NaN", "Infinity", "-Infinity", "1e21", "-1e130000", None),
    "double precision": ("NaN", "Infinity", "-Infinity", 1.7e308, -1.7e308, 5e-324, 72.5, None),
    "timestamp with time zone": (*(f"{time}" for time in _TIMES), "294276-12-31Z", None),
    "date": (*_TIMES, "5874897-12-31", None),
    "text": ("", " \t", "nonsense", "x" * 2684, None),
    "integer": (-5, 2**31 - 1, None),
    "bigint": (-5, 2**63 - 1, None),
    "boolean": (False, None),
    "jsonb": (Jsonb([{"amplitude": 10**400}]), Jsonb("{}"), None),
}

FREE_TEXTS = {"model_name", "version", "idempotency_key", "pattern_type", "strategy"}
MAY_BE_MISSING = {
    "ai_models": {"config", "is_active", "updated_at"},
    "ai_trading_signals": {
        *("price_target", "stop_loss", "take_profit", "metadata", "pattern_id", "trade_plan_id"),
        *("idempotency_key", "expires_at", "updated_at", "imported_at"),
    },
    "rl_training_episodes": {
        *("average_loss", "portfolio_value", "sharpe_ratio", "training_data", "imported_at"),
    },
    "genetic_generations": {"population_diversity", "imported_at"},
    "spectrum_analysis": {
        *("pattern_confidence", "anomaly_score", "analysis_data", "imported_at"),
    },
    "market_bars": {"volume"},
    "micro_patterns": {"pattern_type", "signal", "confidence"},
    "trade_plans": {
        *("symbol", "strategy", "entry_price_target", "stop_loss_price", "take_profit_1_price"),
        *("signal_details", "created_at"),
    },
    "trading_orders": {
        *("trade_plan_id", "quantity", "price", "filled_price", "status", "filled_at"),
        # Without it nothing was filled, and the fee is to blame.
        "filled_quantity",
        "fee",
    },
    "trading_stats": {"net_profit", "total_trades", "winning_trades", "losing_trades"},
}


def is_usable(table: str, column: str, data_type: str, value: Any) -> bool:
    """Whether a row may hold the value: where nothing is computed from it, or it is a plain one."""
    if value is None:
        return column in MAY_BE_MISSING[table]
    if data_type == "text":
        if column in FREE_TEXTS:
            return len(value) <= 200 or column == "idempotency_key"
        return column == "symbol" and value == "nonsense"
    if data_type == "double precision":
        return value == 72.5 and column not in ("confidence", "pattern_confidence")
    if data_type == "jsonb":
        return column != "dominant_frequencies"
    if data_type == "integer":
        return value > 0 or table == "trading_stats"
    if column == "expires_at":
        return value in ("infinity", "2125-06-01", "294276-12-31Z")
    return data_type in ("bigint", "boolean")


@dataclass
class Hostile:
    """A row with one value that cannot be used, and the value that can."""

    table: str
    key: str
    column: str
    value: Any
    good: Any


@dataclass
class Market:
    """The platform, its replica, and the rows written to it."""

    landscape: Landscape
    folder: Path
    numbers: Counter[str] = field(default_factory=Counter)
    projects: dict[str | None, Manifest] = field(default_factory=dict)
    full_build: FullBuild = field(default_factory=FullBuild)

    def insert(self, primary: Connection, table: str, **values: Any) -> dict[str, Any]:
        """A good row but for these values, and its key as operations.rejected_rows has it."""
        self.numbers[table] += 1
        n = self.numbers[table]
        row = {
            column: value.replace("{n}", str(n)) if isinstance(value, str) else value
            for column, value in GOOD[table].items()
        }
        if table == "market_bars":
            row["opened_at"] = BEGIN + timedelta(hours=n)
        else:
            row["id"] = n
        if table == "trading_stats":
            row["date"] = (BEGIN + timedelta(days=n)).date()
        good = dict(row)
        row |= values
        primary.execute(
            sql.SQL("insert into public.{} ({}) values ({})").format(
                sql.Identifier(table),
                sql.SQL(", ").join(map(sql.Identifier, row)),
                sql.SQL(", ").join([sql.Placeholder()] * len(row)),
            ),
            tuple(row.values()),
        )
        return row | {"key": _key(primary, table, row), "good": good}

    def update(self, primary: Connection, row: Hostile, value: Any) -> None:
        """Give a row's column another value."""
        key = sql.SQL("concat_ws(', ', symbol, timeframe, opened_at)")
        primary.execute(
            sql.SQL("update public.{} set {} = %s where {} = %s").format(
                sql.Identifier(row.table),
                sql.Identifier(row.column),
                key if row.table == "market_bars" else sql.SQL("id::text"),
            ),
            (value, row.key),
        )

    def build(
        self,
        *,
        prefix: str | None = None,
        tests: bool = False,
        select: Sequence[str] = (),
        full_refresh: bool = False,
    ) -> transform.Build:
        """Build from changes; or in full, into schemas of their own."""
        replica = self.landscape.replica
        with (
            builds.one_build(replica, "build"),
            builds.frozen(replica, timeout=60) as environment,
        ):
            if prefix not in self.projects:
                self.projects[prefix] = transform.parse(
                    environment, target=self.folder, schema_prefix=prefix
                )
            return transform.build(
                environment,
                advance=lambda done, total, at: None,
                target=self.folder,
                tests=tests,
                project=self.projects[prefix],
                schema_prefix=prefix,
                select=select,
                exclude=("resource_type:unit_test",),
                full_refresh=full_refresh or prefix is not None,
            )

    def rejected(self) -> dict[tuple[str, str, str], tuple[Any, ...]]:
        """Value and reason by table, key and column."""
        rows = self.landscape.on_replica(
            "select source_table, row_key, column_name, value, reason from operations.rejected_rows"
        )
        return {(str(t), str(k), str(c)): tuple(rest) for t, k, c, *rest in rows}

    def assert_equals_full(self) -> None:
        """A build from changes equals a build in full, rejected rows too."""
        replica = self.landscape.replica
        assert self.full_build.differing(replica, lambda: self.build(prefix="full")) == {}


def _key(primary: Connection, table: str, row: Mapping[str, Any]) -> str:
    if table != "market_bars":
        return str(row["id"])
    key = primary.execute(
        "select concat_ws(', ', %s::text, %s::text, %s::timestamptz)",
        (row["symbol"], row["timeframe"], row["opened_at"]),
    ).fetchone()
    assert key is not None
    return str(key[0])


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


def drop_constraints(primary: Connection, kinds: str = "cfu") -> None:
    """As in tables that are older than their constraints: only primary keys stay.

    ``kinds`` are those of pg_constraint that go: c, f and u for CHECK, FOREIGN KEY and UNIQUE.
    """
    primary.execute("drop publication signal_marts")
    for table in read_contract():
        if table.name == "ai_replication_fence":
            continue
        name = sql.Identifier(table.schema, table.name)
        primary.execute(sql.SQL("alter table {} disable trigger user").format(name))
        constraints = primary.execute(
            "select conname from pg_constraint where conrelid = to_regclass(%s)"
            " and strpos(%s, contype::text) > 0 order by contype desc",
            (table.qualified, kinds),
        ).fetchall()
        for (constraint,) in constraints:
            primary.execute(
                sql.SQL("alter table {} drop constraint {} cascade").format(
                    name, sql.Identifier(constraint)
                )
            )
        bounded = primary.execute(
            "select attname from pg_attribute where attrelid = to_regclass(%s)"
            " and atttypid = 'numeric'::regtype and atttypmod <> -1 and not attisdropped",
            (table.qualified,),
        ).fetchall()
        for (column,) in bounded:
            primary.execute(
                sql.SQL("alter table {} alter {} type numeric").format(name, sql.Identifier(column))
            )
        missing = primary.execute(
            "select attname from pg_attribute where attrelid = to_regclass(%s) and attnotnull"
            " and attnum > 0 and not attnum = any (select unnest(conkey) from pg_constraint"
            " where conrelid = to_regclass(%s) and contype = 'p')",
            (table.qualified, table.qualified),
        ).fetchall()
        for (column,) in missing:
            primary.execute(
                sql.SQL("alter table {} alter {} drop not null").format(
                    name, sql.Identifier(column)
                )
            )


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
        (f"public.{row.table}", row.key, "fee" if _fills_nothing(row) else row.column)
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
            *(("public.trading_stats", days[i]["key"], "date") for i in of_stats),
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
        ("public.trading_stats", days[0]["key"], "net_profit")
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
        ("public.trading_orders", bought["key"], "filled_quantity"),
        ("public.trading_orders", charged["key"], "fee"),
    }
    replica = market.landscape.on_replica
    assert replica("select count(*) from performance.trades where symbol = 'OPEN'") == [(0,)]
    assert replica(
        "select reported_net_profit, unreconciled_profit from performance.daily_performance"
        f" where trading_date = '{at.date()}'"
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
    built = market.landscape.build(market.folder, *models)
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
    told = f"rows that cannot be used: {len(market.rejected())} of public.trading_orders"
    cli(["build", *select], standalone_mode=False)
    assert told in capsys.readouterr().err
    monkeypatch.setenv("SIGNAL_MARTS_FAIL_ON_REJECTED_ROWS", "true")
    with pytest.raises(Failure, match=told):
        cli(["build", *select], standalone_mode=False)
    assert ("public.trading_orders", order["key"], "status") in market.rejected()


def test_a_row_of_the_future_comes_when_its_time_has_come(market: Market) -> None:
    """The clock is the primary's: the token that a build writes there. This test moves it on."""
    primary, replica = market.landscape.on_primary, market.landscape.on_replica
    ((at,),) = primary("select written_at + interval '30 hours' from ai_replication_fence")
    with market.landscape.primary.connect() as connection:
        early = market.insert(connection, "trade_plans", created_at=at)
    _build_and_compare(market)
    assert ("public.trade_plans", early["key"], "created_at") in market.rejected()
    # While the token is copied again, nothing tells which rows are too early.
    replica("delete from ai_replication_fence")
    for full_refresh in (False, True):
        refused = market.build(select=["stg_platform__trade_plans"], full_refresh=full_refresh)
        assert "holds no moment of the primary" in refused.failures[0].message
    assert ("public.trade_plans", early["key"], "created_at") in market.rejected()
    primary("update ai_replication_fence set written_at = written_at + interval '20 hours'")
    market.landscape.deploy(resync=["public.ai_replication_fence"])
    _build_and_compare(market)
    assert ("public.trade_plans", early["key"], "created_at") not in market.rejected()
    assert replica(
        "select created_at from staging.stg_platform__trade_plans"
        f" where trade_plan_id = {early['id']}"
    ) == [(at,)]
