"""What grows with a table's rows: indexes, inserts, updates, vacuum, deletes and replication.

Tables like ours (the columns, checks and indexes of the migrations) are filled with 1 and with 10
million rows by set-based SQL, and alternatives are measured side by side on each: signals in one
table and in partitions by month, a btree and a BRIN index on the time, fillfactors, deleting old
rows and dropping a partition. Blocks and bytes of the log are those that the server counts, so
other work on the machine does not change them. What the smaller table says is projected to the
larger one: the difference is the error of the projection to a billion rows.
"""

from __future__ import annotations

import argparse
import re
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import psycopg
from psycopg import sql
from scale import deployed_replica, platform_of, servers

from runner.demo.embedded import EmbeddedPair
from runner.replication import sync
from runner.servers.database import Connection, scalar
from runner.servers.sides import connected

SIGNALS = "public.ai_trading_signals"
BARS = "public.market_bars"
BILLION = 1_000_000_000
# Ten months of history, whatever the number of rows; new rows come in the eleventh.
_MONTHS = 10
_START = "timestamptz '2025-01-01 00:00:00+00'"
_ROWS = {
    SIGNALS: (
        "(model_id, symbol, signal_type, confidence, price_target, stop_loss, take_profit,"
        " idempotency_key, status, expires_at, created_at)"
        " select 1 + n %% 20, 'SYM' || lpad((n %% 200)::text, 4, '0'), 'BUY', 0.6, 100, 90, 120,"
        " md5(n::text)::uuid::text, 'EXECUTED', at + interval '1 day', at"
    ),
    BARS: (
        "(symbol, timeframe, opened_at, open, high, low, close, volume)"
        " select 'SYM' || lpad((n %% 200)::text, 4, '0'), '1m', at, 100, 101, 99, 100, n"
    ),
}


@dataclass(frozen=True)
class Cost:
    """Of a statement: milliseconds, blocks of the buffers looked at, bytes of the log."""

    milliseconds: float
    blocks: int
    log: int

    def per(self, rows: int) -> str:
        return (
            f"{1000 * self.milliseconds / rows:9.1f} us{self.blocks / rows:9.2f} blocks"
            f"{self.log / rows:9.0f} bytes of log"
        )


def main(arguments: Sequence[str] | None = None) -> None:
    """Fill, measure and print, first with fewer and then with more rows."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--small", action="store_true", help="a quick try")
    parser.add_argument("--rows", type=int, default=1_000_000, help="of the smaller tables")
    rows = 10_000 if (chosen := parser.parse_args(arguments)).small else chosen.rows
    with servers() as pair:
        replica = deployed_replica(pair, "growth")
        primary = platform_of(pair, "growth")
        with connected(primary, replica) as sides:
            sync.remove(sides)
        with primary.connect(autocommit=True) as connection:
            connection.execute("set maintenance_work_mem = '512MB'")
            # Only what is measured happens.
            connection.execute("alter system set autovacuum = off")
            connection.execute("select pg_reload_conf()")
            sizes = []
            for count in (rows, 10 * rows):
                connection.execute("create schema growth")
                print(f"{count:,} signals, {count:,} bars")
                sizes.append(_tables(connection, count))
                _times(connection, count)
                _updates(connection, count)
                _old_rows(connection, count)
                connection.execute("drop schema growth cascade")
                connection.execute("checkpoint")
            _print_projection(rows, *sizes)
        _replication(pair, rows // 5)


def _tables(connection: Connection, count: int) -> dict[str, float]:
    """Signals and bars in one table and in partitions; return sizes in bytes a row, by name."""
    found: dict[str, float] = {}
    for source in (SIGNALS, BARS):
        at = "created_at" if source == SIGNALS else "opened_at"
        for name in ("plain", "parted"):
            table = f"growth.{name}_{source.rpartition('.')[2]}"
            _make(connection, table, source, at if name == "parted" else None)
            _fill(connection, table, source, count)
            _index(connection, table, source, at if name == "parted" else None)
            connection.execute(f"vacuum (freeze, analyze) {table}".encode())
            for part, size in _sizes(connection, table):
                if name == "plain":
                    found[part] = size / count
            some = max(count // 100, 1)
            connection.execute("checkpoint")
            insert = _cost(connection, _insert(table, source, count, some, first=count + 1))
            print(f"  insert into {table:32}{insert.per(some)}")
            for what, where in _lookups(source, count).items():
                cost = _cost(connection, f"select * from {table} where {where}")
                print(f"  {what + ' in ' + table:44}{cost.blocks:9} blocks")
    return found


def _lookups(source: str, count: int) -> dict[str, str]:
    middle = f"{_START} + interval '{_MONTHS} months' * ({count // 2}::float8 / {count})"
    if source == BARS:
        symbol = f"SYM{(count // 2) % 200:04}"
        return {
            "a bar": f"symbol = '{symbol}' and timeframe = '1m' and opened_at = {middle}",
            "last bar": f"symbol = '{symbol}' and timeframe = '1m' order by opened_at desc limit 1",
        }
    return {
        "by id": f"id = {count // 2}",
        "by key": f"idempotency_key = md5('{count // 2}')::uuid::text",
        "by id and time": f"id = {count // 2} and created_at >= {middle} - interval '1 hour'"
        f" and created_at < {middle} + interval '1 hour'",
    }


def _times(connection: Connection, count: int) -> None:
    """A btree and a BRIN index on the time, each the only one besides the key."""
    for kind in ("btree", "brin"):
        table = f"growth.{kind}"
        _make(connection, table, SIGNALS, None)
        _fill(connection, table, SIGNALS, count)
        connection.execute(f"create index {kind}_at on {table} using {kind} (created_at)".encode())
        connection.execute(f"vacuum (freeze, analyze) {table}".encode())
        size = scalar(connection, "select pg_relation_size(%s::regclass)", (f"growth.{kind}_at",))
        some = max(count // 100, 1)
        connection.execute("checkpoint")
        insert = _cost(connection, _insert(table, SIGNALS, count, some, first=count + 1))
        hour = _cost(
            connection,
            f"select sum(confidence) from {table} where created_at >= {_START} + interval '100 days'"
            f" and created_at < {_START} + interval '100 days 1 hour'",
        )
        print(f"  {kind} on created_at, {size / 2**20:10.2f} MB   insert {insert.per(some)}")
        print(f"  {'an hour of it, by ' + kind:44}{hour.blocks:9} blocks")


def _updates(connection: Connection, count: int) -> None:
    """The share of heap-only updates: of a signal's status, and of the last bars."""
    some = max(count // 100, 1)
    changes = {
        SIGNALS: f"set status = 'EXPIRED' where id > {count - some}",
        BARS: f"set close = 100.5 where opened_at >= {_START} + interval '{_MONTHS} months'"
        f" * ({count - some}::float8 / {count})",
    }
    for source, change in changes.items():
        for fill in (100, 90, 70):
            table = f"growth.fill_{fill}_{source.rpartition('.')[2]}"
            _make(connection, table, source, None)
            connection.execute(f"alter table {table} set (fillfactor = {fill})".encode())
            _fill(connection, table, source, count)
            _index(connection, table, source, None)
            connection.execute(f"vacuum (freeze, analyze) {table}".encode())
            connection.execute("checkpoint")
            cost = _cost(connection, f"update {table} {change}")
            hot, updated = _updated(connection, table)
            heap = scalar(connection, "select pg_relation_size(%s::regclass)", (table,))
            print(
                f"  fillfactor {fill:3} {source:26}{heap / count:6.0f} bytes a row"
                f"{100 * hot / max(updated, 1):6.0f}% HOT{cost.per(some)}"
            )
            connection.execute(f"drop table {table}".encode())


def _updated(connection: Connection, table: str) -> tuple[int, int]:
    connection.execute("select pg_stat_force_next_flush()")
    connection.execute("select 1")
    row = connection.execute(
        "select n_tup_hot_upd, n_tup_upd from pg_stat_user_tables where relid = %s::regclass",
        (table,),
    ).fetchone()
    assert row is not None
    return row


def _old_rows(connection: Connection, count: int) -> None:
    """The oldest month leaves: by DELETE and VACUUM, and with its partition; a vacuum of new rows."""
    month = f"created_at < {_START} + interval '1 month'"
    plain, parted = (f"growth.{name}_ai_trading_signals" for name in ("plain", "parted"))
    new = _timed(connection, f"vacuum {plain}")
    connection.execute("checkpoint")
    deleted = _cost(connection, f"delete from {plain} where {month}")
    vacuumed = _timed(connection, f"vacuum {plain}")
    before = scalar(connection, "select pg_current_wal_lsn()")
    dropped = _timed(
        connection,
        f"alter table {parted} detach partition {parted}_1 concurrently",
        f"drop table {parted}_1",
    )
    log = scalar(connection, "select pg_current_wal_lsn() - %s::pg_lsn", (before,))
    print(f"  vacuum after {count // 100:,} new rows{new:33.2f} s")
    print(
        f"  the oldest month deleted{deleted.milliseconds / 1000:16.2f} s"
        f"{deleted.log / 2**20:9.1f} MB of log, vacuum after it{vacuumed:9.2f} s"
    )
    print(f"  detached and dropped{dropped:20.2f} s{log / 2**20:9.1f} MB of log")


def _print_projection(rows: int, once: Mapping[str, float], tenfold: Mapping[str, float]) -> None:
    print(f"bytes a row at {rows:,} and {10 * rows:,}, the error, and GB at a billion")
    for part, size in once.items():
        later = tenfold[part]
        print(
            f"  {part:54}{size:8.1f}{later:8.1f}{100 * (size / later - 1):8.1f}%"
            f"{later * BILLION / 1e9:10.0f} GB"
        )
    print(f"  {'all':54}{sum(tenfold.values()) * BILLION / 1e9:34.0f} GB")
    print("rows that wait before autovacuum comes, at a billion: 50 + 0.2 of them dead, 1000 + 0.2")
    print("of them new, 50 + 0.1 of them changed for statistics: 200, 200 and 100 million")


def _replication(pair: EmbeddedPair, count: int) -> None:
    """Seconds until rows of a plain and of a partitioned table have arrived, with and without
    change capture, and how the landing table's own work grows."""
    replica = deployed_replica(pair, "arriving")
    primary = platform_of(pair, "arriving")
    with primary.connect(autocommit=True) as writer, replica.connect(autocommit=True) as reader:
        writer.execute("create schema growth")
        reader.execute("create schema growth")
        contents = "like public.market_bars including all"
        writer.execute("create table growth.plain (like public.market_bars including all)")
        _make(writer, "growth.parted", BARS, "opened_at")
        _index(writer, "growth.parted", BARS, "opened_at")
        for name in ("plain", "parted"):
            # The landing table has no statistics yet; its triggers are of capture.
            reader.execute(f"create table growth.{name} ({contents})".encode())
        reader.execute("drop table growth.plain")
        writer.execute("create table growth.bare (like public.market_bars including all)")
        for name in ("plain", "bare"):
            reader.execute(f"create table growth.{name} ({contents})".encode())
        for trigger in ("stamp", "log"):
            del trigger
        writer.execute(
            "create publication growth for table growth.plain, growth.parted, growth.bare"
            " with (publish_via_partition_root = true)"
        )
    del count
