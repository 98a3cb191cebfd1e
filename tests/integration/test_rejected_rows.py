"""Rows that cannot be used: each is named, none stops another, and none is in a number.

One platform with columns of the widest types, and AI tables as if they had no constraints, holds every
kind of such a value in every column of the contract.
"""

from __future__ import annotations

import itertools
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from comparison import differing_models
from conftest import Landscape, _database, _drop
from drills import wait
from psycopg import sql
from psycopg.types.json import Jsonb

from runner import builds, transform
from runner.contract import Table, read_contract
from runner.database import Connection
from runner.embedded import EmbeddedPair
from runner.settings import PROJECT

if TYPE_CHECKING:
    from dbt.contracts.graph.manifest import Manifest

pytestmark = pytest.mark.timeout(1200)  # builds, and builds in full to compare them with

PLATFORM = """
    create table micro_patterns (
        id bigint primary key, symbol text, pattern_type text, signal text,
        confidence double precision, created_at timestamptz
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
        "opened_at": "2025-03-02Z",
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
        "date": "2025-03-01",
        "net_profit": 1,
        "total_trades": 1,
        "winning_trades": 1,
        "losing_trades": 0,
    },
}

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
        *("status", "idempotency_key", "expires_at", "updated_at", "imported_at"),
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
    """A row with one value that cannot be used."""

    table: str
    key: Any
    column: str
    value: Any


@dataclass
class Market:
    """The platform and its replica, and what was written to it."""

    landscape: Landscape
    folder: Path
    numbers: Iterator[int] = field(default_factory=lambda: itertools.count(1))
    projects: dict[str | None, Manifest] = field(default_factory=dict)

    def insert(self, primary: Connection, table: str, **values: Any) -> dict[str, Any]:
        """A good row but for these values; returned with its number, of which its key is made."""
        n = next(self.numbers)
        row = {
            column: value.replace("{n}", str(n)) if isinstance(value, str) else value
            for column, value in GOOD[table].items()
        }
        if table == "market_bars":
            row["opened_at"] = f"2025-03-02Z {n} hours"
        elif table == "trading_stats":
            row["date"] = f"2025-03-01 {n} days"
        if table != "market_bars":
            row["id"] = n
        row |= values
        for column, unit in (("opened_at", "hours"), ("date", "days")):
            if str(row.get(column)).endswith(unit):
                start, count, _ = row[column].split(" ")
                row[column] = primary.execute(
                    "select (%s::timestamptz + %s * %s::interval)::text",
                    (start, int(count), f"1 {unit}"),
                ).fetchone()[0]  # type: ignore[index]
        primary.execute(
            sql.SQL("insert into public.{} ({}) values ({})").format(
                sql.Identifier(table),
                sql.SQL(", ").join(map(sql.Identifier, row)),
                sql.SQL(", ").join([sql.Placeholder()] * len(row)),
            ),
            tuple(row.values()),
        )
        if table == "market_bars":
            row["key"] = primary.execute(
                "select concat_ws(', ', %s::text, %s::text, %s::timestamptz)",
                (row["symbol"], row["timeframe"], row["opened_at"]),
            ).fetchone()[0]  # type: ignore[index]
        else:
            row["key"] = str(row["id"])
        return row

    def build(self, *, prefix: str | None = None, tests: bool = False) -> transform.Build:
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
                full_refresh=prefix is not None,
            )

    def rejected(self, prefix: str = "") -> dict[tuple[str, str, str], tuple[Any, ...]]:
        """Value and reason by table, key and column."""
        rows = self.landscape.on_replica(
            "select source_table, row_key, column_name, value, reason"
            f" from {prefix}operations.rejected_rows"
        )
        return {(str(t), str(k), str(c)): tuple(rest) for t, k, c, *rest in rows}

    def assert_equals_full(self) -> None:
        """What is built from changes equals what is built in full, rejected rows too."""
        full = self.build(prefix="full")
        assert not full.failures, full.failures
        with self.landscape.replica.connect() as replica:
            assert differing_models(replica, "full") == {}
        assert self.rejected() == self.rejected("full_")


@pytest.fixture(scope="module")
def market(pair: EmbeddedPair) -> Iterator[Market]:
    """The widest platform, deployed, with rows that can be used, and their marts."""
    urls = pair.urls()
    landscape = Landscape(
        _database(urls.primary, "primary", "trading_rejected"),
        _database(urls.replica, "replica", "analytics_rejected"),
    )
    landscape.on_primary(PLATFORM)
    landscape.deploy()
    folder = Path(tempfile.mkdtemp(prefix="signal-marts-rejected-"))
    made = Market(landscape, folder)
    with landscape.primary.connect() as primary:
        _drop_constraints(primary)
    landscape.deploy()
    with landscape.primary.connect() as primary:
        for table in GOOD:
            made.insert(primary, table)
        primary.execute("update ai_trading_signals set model_id = 1, pattern_id = 7")
    yield made
    _drop(landscape)
    shutil.rmtree(folder)


def _drop_constraints(primary: Connection) -> None:
    """As in tables that are older than their constraints: only primary keys stay."""
    primary.execute("drop publication signal_marts")
    for table in read_contract():
        if table.name == "ai_replication_fence":
            continue
        name = sql.Identifier(table.schema, table.name)
        primary.execute(sql.SQL("alter table {} disable trigger user").format(name))
        constraints = primary.execute(
            "select conname from pg_constraint where conrelid = to_regclass(%s)"
            " and contype in ('c', 'f', 'u') order by contype desc",
            (table.qualified,),
        ).fetchall()
        for (constraint,) in constraints:
            primary.execute(
                sql.SQL("alter table {} drop constraint {} cascade").format(
                    name, sql.Identifier(constraint)
                )
            )
        for column, data_type in table.columns:
            if data_type == "numeric":
                primary.execute(
                    sql.SQL("alter table {} alter {} type numeric").format(
                        name, sql.Identifier(column)
                    )
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
                    market.insert(primary, "ai_trading_signals", model_id=row["id"])
                if is_usable(table.name, column, data_type, value) and not (
                    column == "filled_quantity" and value is None
                ):
                    usable += 1
                else:
                    hostile.append(Hostile(table.name, row["key"], column, value))
    wait(market.landscape)
    built = market.build(tests=True)
    assert not built.failures, "\n".join(f"{node.name} {node.message}" for node in built.failures)
    named = market.rejected()
    for row in hostile:
        blamed = "fee" if row.column == "filled_quantity" and row.value is None else row.column
        assert (f"public.{row.table}", row.key, blamed) in named, row
    assert len(named) == len(hostile), set(named) - {
        (f"public.{row.table}", row.key, row.column) for row in hostile
    }
    market.assert_equals_full()
    assert _unusable_numbers(market.landscape) == []


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
