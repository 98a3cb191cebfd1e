"""One database, two, or a replica: what trading notices, how fresh the marts are, what is lost.

Three ways to have marts, on the same history, one after the other:

- one database: the marts' SQL runs in the database that trades, again and again, into tables,
- two databases: every --interval seconds a batch copies the rows whose updated_at is at or above
  the newest one copied, as teams do, and the same SQL runs on a second server,
- a replica: ``watch``, as Signal Marts has it, with all its marts.

The SQL of the first two is that of two marts (sql/). pgbench trades at a steady rate on the
primary's server, on one core; the rest is on the other, but for what runs in the database that
trades. Beside it, somebody trades as people do: transactions that insert and change orders and
commit seconds later, orders that are cancelled, and orders that are deleted. Printed are p50 and
p99 of the inserts, before in the same database with nothing else; the age of the newest order that
a mart shows; rows that are missing, stale or surplus when all is done; and the disk.
"""

from __future__ import annotations

import argparse
import math
import os
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from bench_scale import hand_written
from psycopg import sql
from scale import (
    FIRST_ID,
    FULL,
    SMALL,
    Size,
    add_history,
    deployed_replica,
    ids_after_history,
    platform_of,
    servers,
)
from trading import INSERT, RATE, apart, latencies, p99

from runner.build import transform
from runner.demo.embedded import EmbeddedPair
from runner.replication import fence, sync
from runner.servers.contract import read_contract
from runner.servers.database import Connection, Database, scalar
from runner.servers.sides import connected
from runner.settings import PROJECT

MARTS = ("order_attribution", "signal_confluence")
_COLUMNS = "id, symbol, side, quantity, price, status, created_at, client_order_id"
_LATE_SECONDS = 3


@dataclass
class Option:
    """A way to have marts, and what was measured of it."""

    name: str
    trading: Database
    analytics: Database
    mart: str
    idle: list[float] = field(default_factory=list)
    busy: list[float] = field(default_factory=list)
    ages: list[float] = field(default_factory=list)
    wrong: tuple[int, int, int] = (0, 0, 0)


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure each way in turn, and print a table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--small", action="store_true", help="a quick try")
    parser.add_argument("--seconds", type=int, default=30, help="of each measurement")
    parser.add_argument("--interval", type=int, default=10, help="seconds between batches")
    parser.add_argument("--replica-disk", type=Path, help="a folder on another disk")
    chosen = parser.parse_args(arguments)
    size = SMALL if chosen.small else FULL.times(0.1)
    with servers(replica_disk=chosen.replica_disk) as pair, tempfile.TemporaryDirectory() as folder:
        target = Path(folder)
        options = []
        for prepare in (_one_database, _two_databases, _replica):
            options.append(prepare(pair, size))
        apart(pair)
        for option, running in zip(
            options, (_refreshing, _copying(chosen.interval), _watching), strict=True
        ):
            _measure(option, running, chosen.seconds, target)
        _print(options, chosen.interval)


# --- the three ways -------------------------------------------------------------------------------


def _one_database(pair: EmbeddedPair, size: Size) -> Option:
    """Tables of the history on the primary's server, without change capture, that take orders."""
    found = deployed_replica(pair, "one", one_server=True)
    with connected(platform_of(pair, "one"), found) as sides:
        sync.remove(sides)
    add_history(found, size)
    with found.connect(autocommit=True) as connection:
        connection.execute("alter table public.trading_orders disable trigger all")
        connection.execute(sql.SQL("create sequence public.order_ids start {}").format(FIRST_ID))
        connection.execute(
            "alter table public.trading_orders add order_type text, add created_by text,"
            " alter id set default nextval('public.order_ids'),"
            " alter created_at set default now(), alter status set default 'NEW'"
        )
    return Option("one database", found, found, "public.order_attribution")


def _two_databases(pair: EmbeddedPair, size: Size) -> Option:
    found = deployed_replica(pair, "two")
    primary = platform_of(pair, "two")
    with connected(primary, found) as sides:
        sync.remove(sides)
    add_history(found, size)
    ids_after_history(primary)
    with primary.connect(autocommit=True) as connection:
        connection.execute(
            "alter table public.trading_orders add updated_at timestamptz not null default now();"
            "create index on public.trading_orders (updated_at);"
            "create trigger touched before update on public.trading_orders"
            " for each row execute function public.ai_set_updated_at()"
        )
    with found.connect(autocommit=True) as connection:
        connection.execute("alter table public.trading_orders disable trigger all")
        connection.execute("create table public.high_water as select now() as updated_at")
    return Option("two databases, batches", primary, found, "public.order_attribution")


def _replica(pair: EmbeddedPair, size: Size) -> Option:
    found = deployed_replica(pair, "three")
    primary = platform_of(pair, "three")
    add_history(found, size)
    ids_after_history(primary)
    transform.build(
        found.environment(), advance=lambda done, total, at: None, tests=False, target=None
    )
    with found.connect(autocommit=True) as connection:
        connection.execute("alter subscription signal_marts enable")
    return Option("a replica", primary, found, "performance.order_attribution")


# --- what runs ------------------------------------------------------------------------------------

Running = Callable[[Option, Path], AbstractContextManager[None]]


@contextmanager
def _refreshing(option: Option, target: Path) -> Iterator[None]:
    with _again_and_again(lambda: _refresh(option.analytics)):
        yield


def _copying(interval: int) -> Running:
    @contextmanager
    def copying(option: Option, target: Path) -> Iterator[None]:
        def round_() -> None:
            due = time.monotonic() + interval
            _batch(option)
            _refresh(option.analytics)
            time.sleep(max(0.0, due - time.monotonic()))

        with _again_and_again(round_):
            yield
        _batch(option)

    return copying


@contextmanager
def _watching(option: Option, target: Path) -> Iterator[None]:
    with subprocess.Popen(
        [sys.executable, "-m", "runner", "watch", "--interval", "0", "--test-every", "0"],
        cwd=PROJECT,
        env=os.environ
        | {
            "PRIMARY_URL": option.trading.url,
            "REPLICA_URL": option.analytics.url,
            "DBT_TARGET_PATH": str(target / "watch"),
        },
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    ) as watch:
        assert watch.stdout is not None
        watch.stdout.readline()
        threading.Thread(target=watch.stdout.read, daemon=True).start()
        try:
            yield
        finally:
            watch.terminate()
            watch.wait(120)
    with connected(option.trading, option.analytics) as sides:
        fence.wait(sides.on_primary, sides.on_replica, read_contract(), timeout=120)


@contextmanager
def _again_and_again(work: Callable[[], None]) -> Iterator[None]:
    is_over = threading.Event()

    def run() -> None:
        while not is_over.is_set():
            work()

    thread = threading.Thread(target=run)
    thread.start()
    try:
        yield
    finally:
        is_over.set()
        thread.join()


def _refresh(analytics: Database) -> None:
    """Each mart's SQL into a table, in place of the one before."""
    for mart in MARTS:
        with analytics.connect() as connection:
            connection.execute(f"create table public.fresh as {hand_written()[mart]}".encode())
            connection.execute(
                sql.SQL("drop table if exists {0}; alter table public.fresh rename to {1}").format(
                    sql.Identifier("public", mart), sql.Identifier(mart)
                )
            )


def _batch(option: Option) -> None:
    """Copy the orders whose updated_at is at or above the newest one copied, by COPY."""
    with option.trading.connect() as source, option.analytics.connect() as sink:
        since = scalar(sink, "select updated_at from public.high_water")
        sink.execute("create temporary table arriving (like public.trading_orders) on commit drop")
        sink.execute("alter table arriving add updated_at timestamptz, alter _xid set default '0'")
        with (
            source.cursor() as reader,
            sink.cursor() as writer,
            reader.copy(
                f"copy (select {_COLUMNS}, updated_at from public.trading_orders"
                f" where updated_at >= '{since.isoformat()}') to stdout"
            ) as rows,
            writer.copy(f"copy arriving ({_COLUMNS}, updated_at) from stdin") as into,
        ):
            for block in rows:
                into.write(block)
        names = _COLUMNS.split(", ")
        sink.execute(
            f"insert into public.trading_orders ({_COLUMNS}) select {_COLUMNS} from arriving"
            f" on conflict (id) do update set"
            f" {', '.join(f'{name} = excluded.{name}' for name in names[1:])}".encode()
        )
        sink.execute(
            "update public.high_water set"
            " updated_at = coalesce((select max(updated_at) from arriving), updated_at)"
        )


# --- measuring ------------------------------------------------------------------------------------


def _measure(option: Option, running: Running, seconds: int, target: Path) -> None:
    option.idle = latencies(option.trading.url, seconds // 2, target)
    with ExitStack() as stack:
        stack.enter_context(running(option, target))
        _wait_for_mart(option)
        is_over = threading.Event()
        threads = [
            threading.Thread(target=work, args=(option, is_over)) for work in (_trade, _look)
        ]
        for thread in threads:
            thread.start()
        try:
            option.busy = latencies(option.trading.url, seconds, target)
        finally:
            is_over.set()
            for thread in threads:
                thread.join()
    if option.trading != option.analytics:
        option.wrong = _wrong(option)


def _wait_for_mart(option: Option) -> None:
    """Until the mart shows all orders of before."""
    with (
        option.trading.connect(autocommit=True) as source,
        option.analytics.connect(autocommit=True) as reader,
    ):
        newest = scalar(source, "select max(id) from public.trading_orders")
        deadline = time.monotonic() + 240
        while (
            scalar(reader, "select to_regclass(%s)", (option.mart,)) is None
            or scalar(reader, f"select max(order_id) from {option.mart}") < newest
        ):
            if time.monotonic() > deadline:
                raise SystemExit(f"{option.name}: the mart did not come within four minutes")
            time.sleep(0.2)


def _trade(option: Option, is_over: threading.Event) -> None:
    """A transaction that commits late every few seconds; another change and a delete a second."""
    some = (
        " where id = (select id from public.trading_orders where status = 'NEW'"
        " and created_at < now() - interval '5 seconds' order by id desc limit 1)"
    )
    cancel = f"update public.trading_orders set status = 'CANCELLED' {some}".encode()
    delete = f"delete from public.trading_orders {some}".encode()
    with option.trading.connect() as late, option.trading.connect(autocommit=True) as prompt:
        while not is_over.is_set():
            late.execute(INSERT.encode())
            late.execute(cancel)
            for _ in range(_LATE_SECONDS):
                is_over.wait(1)
                prompt.execute(cancel.replace(b"limit 1", b"offset 10 limit 1"))
                prompt.execute(delete.replace(b"limit 1", b"offset 20 limit 1"))
            late.commit()


def _look(option: Option, is_over: threading.Event) -> None:
    """How old the newest order of the mart is, four times a second, from the first new one on,
    for which it waits."""
    newest = f"select max(created_at), clock_timestamp() from {option.mart}".encode()
    with option.analytics.connect(autocommit=True) as connection:
        begun = scalar(connection, "select clock_timestamp()")
        deadline = time.monotonic() + 240
        while not is_over.is_set() or (not option.ages and time.monotonic() < deadline):
            created_at, now = connection.execute(newest).fetchone() or (begun, begun)
            if created_at > begun:
                option.ages.append((now - created_at).total_seconds())
            time.sleep(0.25)


def _wrong(option: Option) -> tuple[int, int, int]:
    """Orders that the analytics' side lacks, has in an older state, and has though deleted."""

    def orders(connection: Connection) -> dict[int, str]:
        query = "select id, status from public.trading_orders where id >= %s"
        return dict(connection.execute(query, (FIRST_ID,)).fetchall())

    with connected(option.trading, option.analytics) as sides:
        there, here = orders(sides.on_primary), orders(sides.on_replica)
    return (
        len(there.keys() - here.keys()),
        sum(there[id_] != here[id_] for id_ in there.keys() & here.keys()),
        len(here.keys() - there.keys()),
    )


def _print(options: Sequence[Option], interval: int) -> None:
    print(f"{RATE} inserts a second on the primary; a batch every {interval} s")
    print(f"  {'':24}{'p50 ms':>16}{'p99 ms':>18}{'age of newest, s':>20}{'wrong rows':>24}  disk")
    for option in options:
        line = f"  {option.name:24}"
        for of in (statistics.median, p99):
            before, after = of(option.idle), of(option.busy)
            line += f"{before:7.2f} ->{after:7.2f}"
        if len(option.ages) > 1:
            ages = statistics.quantiles(option.ages, n=20)
            line += f"{ages[9]:10.1f}, p95{ages[18]:6.1f}"
        else:
            line += f"{max(option.ages, default=math.inf):20.1f}"
        line += " {:5} missing {:4} stale {:4} surplus".format(*option.wrong)
        sizes = {database.url: _size(database) for database in (option.trading, option.analytics)}
        print(f"{line}{sum(sizes.values()) / 2**20:9.0f} MB")


def _size(database: Database) -> int:
    with database.connect() as connection:
        return int(scalar(connection, "select pg_database_size(current_database())"))


if __name__ == "__main__":
    main()
