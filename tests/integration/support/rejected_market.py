"""A platform of the widest types with every kind of value that cannot be used."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

from full_builds import FullBuild
from landscapes import Landscape
from psycopg import sql
from psycopg.types.json import Jsonb

from runner.build import builds, transform
from runner.servers.contract import read_contract
from runner.servers.database import Connection

if TYPE_CHECKING:
    from dbt.contracts.graph.manifest import Manifest

PLATFORM = """
    create table micro_patterns (
        id bigint primary key, symbol text, pattern_type text, signal text,
        confidence numeric, created_at timestamptz
    );
    create table trade_plans (
        id bigint primary key, symbol text, strategy text, entry_price_target numeric,
        stop_loss_price numeric, take_profit_1_price numeric, signal_details jsonb,
        created_at timestamptz, account text, currency text
    );
    create table trading_orders (
        id bigint primary key, trade_plan_id bigint, symbol text, side text, quantity numeric,
        price numeric, filled_quantity numeric, filled_price numeric, fee numeric, status text,
        created_at timestamptz, filled_at timestamptz, client_order_id text, account text,
        currency text, tag text, exit_reason text, leverage numeric
    );
    create table trading_stats (
        id bigint primary key, date date, net_profit numeric, total_trades integer,
        winning_trades integer, losing_trades integer, account text, currency text
    );
"""

ACCOUNT = {"account": "main", "currency": "main"}
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
        "stored_at": "2025-03-01 12:00Z",
        "stored_by": "module",
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
        **ACCOUNT,
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
        "client_order_id": "SM#{n}",
        "tag": "hammer",
        "exit_reason": "stop_loss",
        "leverage": 1,
        **ACCOUNT,
    },
    "trading_stats": {
        "net_profit": 1,
        "total_trades": 1,
        "winning_trades": 1,
        "losing_trades": 0,
        **ACCOUNT,
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

FREE_TEXTS = {
    *("model_type", "model_name", "version", "idempotency_key", "pattern_type", "strategy"),
    *("tag", "exit_reason"),
    "stored_by",
}
MAY_BE_MISSING = {
    "ai_models": {"config", "is_active", "updated_at"},
    "ai_trading_signals": {
        *("price_target", "stop_loss", "take_profit", "metadata", "pattern_id", "trade_plan_id"),
        *("idempotency_key", "expires_at", "updated_at", "imported_at", "stored_at", "stored_by"),
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
        *("signal_details", "created_at", *ACCOUNT),
    },
    "trading_orders": {
        *("trade_plan_id", "quantity", "price", "filled_price", "status", "filled_at"),
        # Without it nothing was filled, and the fee is to blame.
        *("filled_quantity", "fee", "client_order_id", *ACCOUNT),
        *("tag", "exit_reason", "leverage"),
    },
    "trading_stats": {
        *("net_profit", "total_trades", "winning_trades", "losing_trades", *ACCOUNT),
    },
}


def is_usable(table: str, column: str, data_type: str, value: Any) -> bool:
    """Whether a row may hold the value: where nothing is computed from it, or it is a plain one."""
    if value is None:
        return column in MAY_BE_MISSING[table]
    if column in ACCOUNT:
        return len(value) <= 64
    if column == "client_order_id":
        return True
    if data_type == "text":
        if column in FREE_TEXTS:
            return len(value) <= 200 or column in ("idempotency_key", "stored_by")
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


def drop_constraints(primary: Connection, kinds: str = "cfu") -> None:
    """As in tables that are older than their constraints: only primary keys stay.

    ``kinds`` are those of pg_constraint that go: c, f and u for CHECK, FOREIGN KEY and UNIQUE.
    """
    primary.execute("drop publication signal_marts")
    for table in read_contract():
        if table.name == "ai_replication_fence":
            continue
        name = table.identifier
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
