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

from scale import deployed_replica, platform_of, servers

from runner.demo.embedded import EmbeddedPair
from runner.replication import sync
from runner.servers.database import Connection, scalar
from runner.servers.sides import connected
from runner.settings import PROJECT

SIGNALS = "public.ai_trading_signals"
BARS = "public.market_bars"
BILLION = 1_000_000_000
_LANDINGS = {
    "PLAIN": "as it is",
    "PARTED": "in partitions",
    "BARE": "in partitions, without capture",
}
PARTITIONING = PROJECT / "deploy/growth"
# History of ten months, whatever the number of rows; new rows come in the tenth.
_DAYS = 300
_MONTHS = 12
_START = "timestamptz '2025-01-01 00:00:00+00'"
_ROWS = {
    SIGNALS: (
        "(model_id, symbol, signal_type, confidence, price_target, stop_loss, take_profit,"
        " pattern_id, trade_plan_id, idempotency_key, status, expires_at, created_at)"
        " select 1 + n % 20, 'SYM' || lpad((n % 200)::text, 4, '0'), 'BUY', 0.6, 100, 90, 120,"
        " n / 4, case n % 3 when 0 then n end, md5(n::text)::uuid::text, 'EXECUTED',"
        " at + interval '1 day', at"
    ),
    BARS: (
        "(symbol, timeframe, opened_at, open, high, low, close, volume)"
        " select 'SYM' || lpad((n % 200)::text, 4, '0'), '1m', at, 100, 101, 99, 100, n"
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
                if count == rows:
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
        for name in ("plain", "parted", "ordered") if source == SIGNALS else ("plain", "parted"):
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
            for what, where in _lookups(source, count).items() if name != "ordered" else ():
                cost = _cost(connection, f"select * from {table} where {where}")
                print(f"  {what + ' in ' + table:44}{cost.blocks:9} blocks")
    return found


def _lookups(source: str, count: int) -> dict[str, str]:
    middle = f"{_START} + interval '{_DAYS} days' * ({count // 2}::float8 / {count})"
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
            f"select sum(confidence) from {table}"
            f" where created_at >= {_START} + interval '100 days'"
            f" and created_at < {_START} + interval '100 days 1 hour'",
        )
        print(f"  {kind} on created_at, {size / 2**20:10.2f} MB   insert {insert.per(some)}")
        print(f"  {'an hour of it, by ' + kind:44}{hour.blocks:9} blocks")


def _updates(connection: Connection, count: int) -> None:
    """The share of heap-only updates: of a signal's status, and of the last bars."""
    some = max(count // 100, 1)
    changes = {
        SIGNALS: f"set status = 'EXPIRED' where id > {count - some}",
        BARS: f"set close = 100.5 where opened_at >= {_START} + interval '{_DAYS} days'"
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
    """A vacuum of new rows; the oldest month deleted and vacuumed, or gone with its partition."""
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
        if later < 1:  # An index of few rows.
            continue
        print(
            f"  {part:54}{size:8.1f}{later:8.1f}{100 * (size / later - 1):8.1f}%"
            f"{later * BILLION / 1e9:10.0f} GB"
        )
    print(f"  {'all':54}{sum(tenfold.values()) * BILLION / 1e9:34.0f} GB")
    print("rows that wait before autovacuum comes, at a billion: 50 + 0.2 of them dead, 1000 + 0.2")
    print("of them new, 50 + 0.1 of them changed for statistics: 200, 200 and 100 million")


def _replication(pair: EmbeddedPair, count: int) -> None:
    """Seconds until new and changed bars have arrived: as it is, in partitions, without capture."""
    replica = deployed_replica(pair, "arriving")
    primary = platform_of(pair, "arriving")
    print(f"seconds until {count:,} new bars, and as many changed ones, are on the replica")
    with primary.connect(autocommit=True) as writer, replica.connect(autocommit=True) as reader:
        reader.execute("alter subscription signal_marts enable")
        for symbol, name in _LANDINGS.items():
            if symbol == "PARTED":
                for path in sorted(PARTITIONING.glob("*.sql")):
                    writer.execute(path.read_bytes())
            elif symbol == "BARE":
                reader.execute("alter table public.market_bars disable trigger all")
                reader.execute("drop index public.market_bars__xid_idx")
            new = _arrived(
                writer,
                reader,
                f"insert into public.market_bars select '{symbol}', '1m',"
                " now() + n * interval '1 minute' - interval '5 years', 1, 1, 1, 1, 0"
                f" from generate_series(1, {count}) as n",
                symbol,
            )
            changed = _arrived(
                writer,
                reader,
                f"update public.market_bars set volume = 1 where symbol = '{symbol}'",
                symbol,
            )
            print(f"  {name:40}{new:10.2f}{changed:10.2f}")


def _arrived(writer: Connection, reader: Connection, statement: str, symbol: str) -> float:
    """Seconds from a statement's begin until what it wrote, and a bar after it, is there."""
    start = time.perf_counter()
    writer.execute(statement.encode())
    mark = f"{symbol}-{start}"
    writer.execute(
        "insert into public.market_bars select %s, '1m', now() - interval '1 year', 1, 1, 1, 1, 0",
        (mark,),
    )
    seen = "select exists (select from public.market_bars where symbol = %s)"
    while not scalar(reader, seen, (mark,)):
        if time.perf_counter() - start > 300:
            raise SystemExit("the bars did not arrive within five minutes")
        time.sleep(0.01)
    return time.perf_counter() - start


# --- tables like ours -----------------------------------------------------------------------------


def _make(connection: Connection, table: str, source: str, month: str | None) -> None:
    """A table with the columns and checks of ``source``, in partitions by the month of a column."""
    parted = f"partition by range ({month})" if month else ""
    connection.execute(
        f"create table {table} (like {source} including all excluding indexes) {parted}".encode()
    )
    for number in range(1, _MONTHS + 1) if month else ():
        connection.execute(
            f"create table {table}_{number} partition of {table} for values"
            f" from ('{_month(number)}') to ('{_month(number + 1)}')".encode()
        )
    if table in ("growth.btree", "growth.brin"):
        connection.execute(f"alter table {table} add primary key (id)".encode())


def _month(number: int) -> str:
    return f"{2025 + (number - 1) // 12}-{(number - 1) % 12 + 1:02}-01 00:00:00+00"


def _index(connection: Connection, table: str, source: str, month: str | None) -> None:
    """The indexes of ``source``; in partitions, unique ones must have the column of the months."""
    for (definition,) in connection.execute(
        "select indexdef from pg_indexes where schemaname || '.' || tablename = %s", (source,)
    ).fetchall():
        made = re.sub(
            r" INDEX (\S+) ON \S+", rf" INDEX {_index_name(table)}_\1 ON {table}", definition
        )
        if month and " UNIQUE " in made and month not in made:
            made = made.replace(")", f", {month})", 1)
        connection.execute(made.encode())


def _index_name(table: str) -> str:
    return table.rpartition(".")[2][:12]


def _fill(connection: Connection, table: str, source: str, count: int) -> None:
    connection.execute(_insert(table, source, count, count).encode())


def _insert(table: str, source: str, count: int, rows: int, *, first: int = 1) -> str:
    """A statement that inserts rows from the number ``first`` on, evenly over the months."""
    columns = _ROWS[source]
    if "ordered" in table:
        # Keys that begin with the time, as uuids of version 7 do.
        columns = columns.replace("md5(n::text)::uuid::text", "lpad(n::text, 36, '0')")
    return (
        f"insert into {table} {columns} from (select n, {_START}"
        f" + n * (interval '{_DAYS} days' / {count}) as at"
        f" from generate_series({first}, {first + rows - 1}) as n) as numbered"
    )


def _sizes(connection: Connection, table: str) -> Iterator[tuple[str, int]]:
    rows = connection.execute(
        "select c.relname::text, pg_relation_size(c.oid) from pg_class as c"
        " where c.oid = %(table)s::regclass or c.oid in"
        " (select indexrelid from pg_index where indrelid = %(table)s::regclass) order by 1",
        {"table": table},
    ).fetchall()
    yield from rows


def _cost(connection: Connection, statement: str) -> Cost:
    (found,) = connection.execute(
        f"explain (analyze, buffers, wal, timing off, format json) {statement}".encode()
    ).fetchone() or ([],)
    plan: dict[str, Any] = found[0]["Plan"]
    return Cost(
        found[0]["Execution Time"],
        plan["Shared Hit Blocks"] + plan["Shared Read Blocks"],
        plan.get("WAL Bytes", 0),
    )


def _timed(connection: Connection, *statements: str) -> float:
    start = time.perf_counter()
    for statement in statements:
        connection.execute(statement.encode())
    return time.perf_counter() - start


if __name__ == "__main__":
    main()
