"""A writer that changes a platform all the time, with hostile rows among its changes."""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from random import Random
from typing import Any

import psycopg
from histories import Histories
from market_rows import BEGIN, HOURS
from psycopg import sql
from random_market import RandomMarket
from rejected_market import GOOD, HOSTILE

from runner.servers.contract import Table, read_contract
from runner.servers.database import ConnectionFailedError

# A machine may be slow: this only ends what would never end.
PATIENCE = 900
TABLES = [table for table in read_contract() if table.name in GOOD]
# As traders write them elsewhere: tiny and negative prices, quantities with many decimals, spaces.
ODD_ORDERS: tuple[dict[str, object], ...] = (
    {"quantity": "1e12", "filled_quantity": "1e12", "filled_price": "0.0000000000085"},
    {"quantity": "1000000000", "filled_quantity": "1000000000", "filled_price": "0.000000404"},
    {"quantity": "3.000000012", "filled_quantity": "3.000000012", "filled_price": 1010},
    {"filled_price": "-37.63"},
    {"filled_price": None, "price": 0},
    {"filled_price": None, "price": None, "fee": 3, "filled_quantity": 0},
    {"filled_quantity": "0.4", "status": "CANCELLED"},
    {"symbol": "BTCUSD  "},
    {"symbol": "\tETHUSD"},
    {"side": "buy"},
    {"status": "Canceled"},
    {"filled_at": BEGIN - timedelta(days=3)},
)

# What the platform wants besides the contract's columns.
_PLATFORM_ALONE: dict[str, dict[str, Any]] = {
    "micro_patterns": {"timeframe": "1h"},
    "trading_orders": {"client_order_id": "{n}", "order_type": "market", "created_by": "test"},
}


class Writer(threading.Thread):
    """Changes the platform until it is told to stop, whatever happens to the primary's server."""

    def __init__(self, history: Histories, seed: int) -> None:
        super().__init__(daemon=True)
        self.history = history
        self.random = Random(seed)
        self.done = self.refused = 0
        self.failure: BaseException | None = None
        # When the last time that was too late for a moment no longer is, in seconds of the epoch.
        self.due = 0.0
        self.may_hold_long = threading.Event()
        self.may_hold_long.set()
        self._ended = threading.Event()

    def end(self) -> None:
        """Stop after the change that is being made, with no transaction open."""
        self._ended.set()
        self.join(timeout=PATIENCE)
        self._end_long()

    def run(self) -> None:
        try:
            while not self._ended.wait(self.random.uniform(0, 0.2)):
                if not self.may_hold_long.is_set():
                    self._end_long()
                try:
                    self._change()
                    self.done += 1
                except (psycopg.DataError, psycopg.IntegrityError, psycopg.errors.RaiseException):
                    self.refused += 1
                except (psycopg.OperationalError, ConnectionFailedError):
                    self._reconnect()
        except BaseException as error:
            self.failure = error

    def _reconnect(self) -> None:
        """A lock that another transaction holds, or a server that is gone for a while."""
        if not self.history.connection.broken:
            return
        self._close()
        with contextlib.suppress(ConnectionFailedError):
            self.history.connection = self.history._connect()

    def _end_long(self) -> None:
        if self.history.long is not None:
            try:
                self.history.end_long_transaction(self.random.random() < 0.3)
            except psycopg.OperationalError:
                self._close_long()

    def _close(self) -> None:
        self._close_long()
        self.history.connection.close()

    def _close_long(self) -> None:
        if self.history.long is not None:
            self.history.long.close()
            self.history.long = None

    def _change(self) -> None:
        kind = self.random.random()
        seed = self.random.randrange(2**32)
        if kind < 0.70:
            self.history.change(seed)
        elif kind < 0.78:
            self.history.change_in_one_transaction(
                seed, self.random.randrange(2, 12), self.random.random() < 0.5
            )
        elif kind < 0.785:
            if self.history.long is not None:
                self._end_long()
            elif self.may_hold_long.is_set():
                self.history.begin_long_transaction(seed)
        elif kind < 0.787:
            self._truncate()
        else:
            with self.history.connection.transaction():
                self.random.choice(_HOSTILE)(self)

    # --- rows that nobody can use -----------------------------------------------------------

    def _any_value(self) -> tuple[Table, str, Any]:
        table = self.random.choice(TABLES)
        column, data_type = self.random.choice(
            [(name, of) for name, of in table.columns if name != "id"]
        )
        return table, column, self.random.choice(HOSTILE[data_type])

    def spoil(self) -> None:
        """A value that is none in any column of some rows."""
        self._set(*self._any_value())

    def mend(self) -> None:
        """A good value in any column of some rows."""
        table, column, _ = self._any_value()
        self._set(table, column, self._good(table).get(column))

    def _good(self, table: Table) -> dict[str, Any]:
        """A row but for its id that can be used, as far as constraints let it in."""
        number = str(self.random.randrange(10**9))
        row = {
            column: value.replace("{n}", number) if isinstance(value, str) else value
            for column, value in (
                dict(GOOD[table.name]) | _PLATFORM_ALONE.get(table.name, {})
            ).items()
        }
        hour = BEGIN + timedelta(hours=self.random.randrange(HOURS))
        if table.name == "market_bars":
            row["opened_at"] = hour
        if table.name == "trading_stats":
            row["date"] = hour.date()
        return row

    def _set(self, table: Table, column: str, value: Any) -> None:
        self.history.connection.execute(
            sql.SQL(
                "update {table} set {column} = %s where ctid = any (array("
                " select ctid from {table} order by md5(ctid::text || %s) limit %s))"
            ).format(table=table.identifier, column=sql.Identifier(column)),
            (value, str(self.random.random()), self.random.choice((1, 1, 3))),
        )

    def insert(self) -> None:
        """A row that came with such a value."""
        table, column, value = self._any_value()
        RandomMarket(self.history.connection, self.random)._insert(
            table.name, **(self._good(table) | {column: value})
        )

    def odd_order(self) -> None:
        """An order as other platforms have them."""
        market = RandomMarket(self.history.connection, self.random)
        market._update("trading_orders", self.random.choice(ODD_ORDERS))

    def delete(self) -> None:
        """Some rows go; half of the time they are back with the next statement."""
        table = self.random.choice(TABLES)
        name = table.identifier
        rows = self.history.connection.execute(
            sql.SQL(
                "delete from {0} where ctid = any (array("
                " select ctid from {0} order by md5(ctid::text || %s) limit 3))"
                " returning to_jsonb({1})::text"
            ).format(name, sql.Identifier(table.name)),
            (str(self.random.random()),),
        ).fetchall()
        if self.random.random() < 0.5:
            for (row,) in rows:
                self.history.connection.execute(
                    sql.SQL(
                        "insert into {0} overriding system value"
                        " select * from jsonb_populate_record(null::{0}, %s::text::jsonb)"
                    ).format(name),
                    (row,),
                )

    def soon(self) -> None:
        """A time that is too late now, and none in a moment."""
        table = self.random.choice(
            ("trade_plans", "trading_orders", "micro_patterns", "ai_trading_signals")
        )
        seconds = self.random.choice((-1, 1, 5, 20))
        RandomMarket(self.history.connection, self.random)._update(
            table, {"created_at": datetime.now(UTC) + timedelta(days=1, seconds=seconds)}
        )
        self.due = max(self.due, time.time() + seconds + 1)

    def _truncate(self) -> None:
        """All rows of a table of the platform's, for good or to be written again at once."""
        name = self.random.choice(("market_bars", "trading_stats", "trading_orders"))
        table = sql.Identifier("public", name)
        connection = self.history.connection
        with connection.transaction():
            connection.execute(
                sql.SQL("create temporary table kept on commit drop as table {}").format(table)
            )
            connection.execute(sql.SQL("truncate {}").format(table))
            if self.random.random() < 0.7:
                connection.execute(
                    sql.SQL(
                        "insert into {} overriding system value select * from kept offset 5"
                    ).format(table)
                )


_HOSTILE: tuple[Callable[[Writer], None], ...] = (
    *(Writer.spoil, Writer.spoil, Writer.insert, Writer.insert),
    *(Writer.mend, Writer.mend, Writer.mend, Writer.odd_order, Writer.delete, Writer.soon),
)
