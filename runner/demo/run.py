"""The demo: a platform, a replayed market, deploy, build, and a summary of the results."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import replace
from datetime import date
from pathlib import Path

from psycopg import sql

from runner.build import builds
from runner.client.records import Bar
from runner.demo.embedded import EmbeddedPair
from runner.demo.market import synthetic_market
from runner.demo.orders import TICK
from runner.demo.platform import create_platform, first_prices
from runner.demo.replay import replay
from runner.demo.story import Story
from runner.demo.summary import print_summary
from runner.deploy.deploy import deploy
from runner.errors import UsageError
from runner.progress import note, progress
from runner.replication import sync
from runner.servers import role_logins
from runner.servers.database import Connection, Database, scalar
from runner.servers.deploy_lock import one_at_a_time
from runner.servers.sides import connected
from runner.settings import Settings
from runner.store_import.bars import load_bars
from runner.views.report.write import write_report

_MARK = "made by signal-marts demo"
_PRICE_LIMIT = 10**10


def demo(given: Settings, files: Sequence[Path], *, seed: int, days: int) -> None:
    """Run the demo on the embedded pair, regardless of PRIMARY_URL.

    ``files`` are bar files; none means a synthetic market of ``days`` days. The data of an earlier
    demo are replaced; a database with any other data is left alone, with a UsageError.
    """
    bars = load_bars(files) if files else synthetic_market(seed, days)
    _check_tradable(bars)
    note(f"market: {_described(bars)}")

    pair = EmbeddedPair(given.home)
    with progress("starting two PostgreSQL servers") as advance:
        advance(0, 1, "")
        urls = pair.up()
    os.environ["PGPASSFILE"] = str(urls.passfile)
    primary, replica = Database("primary", urls.primary), Database("replica", urls.replica)
    with one_at_a_time(_maintenance(primary), "demo"):
        _start_afresh(primary, replica)

        platform = replace(primary, search_path="public")
        with platform.connect() as connection:
            create_platform(connection, until=bars[0].opened_at, prices=first_prices(bars))
        note("platform: patterns, plans, orders and statistics from before the AI came")
        steps = deploy(
            primary,
            replica,
            lock_timeout=given.lock_timeout_seconds,
            fence_timeout=given.fence_timeout_seconds,
            report=lambda line: None,
        )
        note(f"deployed: {len(steps)} steps on both sides")

        with platform.connect() as connection, progress("replaying the market") as advance:

            def on_day(day: date, done: int, total: int) -> None:
                advance(done, total, f"{day:%Y-%m-%d}")

            story = Story(
                primary,
                replica,
                seed=seed,
                fence_timeout=given.fence_timeout_seconds,
                report=note,
            )
            counts = replay(
                connection, bars, seed=seed, on_day=on_day, story=None if files else story
            )
        note(
            "replayed: {bars:,} bars, {patterns:,} patterns, {signals:,} signals "
            "({executed:,} executed), {orders:,} orders, {trainings:,} trainings".format_map(counts)
        )

        with progress("building the marts") as advance:
            result = builds.build(
                primary, replica, fence_timeout=given.fence_timeout_seconds, advance=advance
            )
        builds.report_build(result)
        with role_logins.as_role(replica, "bi_reader").connect() as connection:
            print_summary(connection)

        path = given.home / "report.html"
        write_report(replica, path)
        note(f"the same and more as one file, to open in a browser or to mail: {path}")


def _check_tradable(bars: Sequence[Bar]) -> None:
    """Raise UsageError for a bar that the stand-in's own columns cannot hold."""
    for bar in bars:
        for value in (bar.low, bar.open, bar.close, bar.high, bar.volume):
            if value % TICK or bar.high >= _PRICE_LIMIT:
                raise UsageError(
                    f"the bar {bar.symbol} {bar.timeframe} of {bar.opened_at.isoformat()}: the "
                    f"demo's platform has prices below {_PRICE_LIMIT:,} and 8 decimals: round it"
                )


def _described(bars: Sequence[Bar]) -> str:
    symbols = sorted({f"{bar.symbol} {bar.timeframe}" for bar in bars})
    first = min(bar.opened_at for bar in bars)
    last = max(bar.closed_at for bar in bars)
    return f"{len(bars):,} bars of {', '.join(symbols)}, {first:%Y-%m-%d} to {last:%Y-%m-%d}"


def _start_afresh(primary: Database, replica: Database) -> None:
    """Replace both databases, provided that they are empty or an earlier demo's."""
    for database in (primary, replica):
        with database.connect() as connection:
            _check_ours(database, connection)
    with connected(primary, replica) as sides:
        sync.remove(sides)
    for database in (primary, replica):
        name = sql.Identifier(database.parameters()["dbname"])
        with _maintenance(database).connect(autocommit=True) as connection:
            connection.execute(sql.SQL("drop database {} with (force)").format(name))
            connection.execute(sql.SQL("create database {}").format(name))
            connection.execute(
                sql.SQL("comment on database {} is {}").format(name, sql.Literal(_MARK))
            )


def _check_ours(database: Database, connection: Connection) -> None:
    comment = scalar(
        connection,
        "select shobj_description(oid, 'pg_database') from pg_database"
        " where datname = current_database()",
    )
    tables = scalar(
        connection,
        "select count(*) from pg_class as c"
        " inner join pg_namespace as n on c.relnamespace = n.oid"
        " where c.relkind in ('r', 'p') and n.nspname <> 'information_schema'"
        " and n.nspname not like 'pg\\_%'",
    )
    if comment != _MARK and tables:
        raise UsageError(
            f"the {database.side} at {database.address} holds {tables} tables that no demo made; "
            "keep them and give the demo another folder: SIGNAL_MARTS_HOME=.demo make demo"
        )


def _maintenance(database: Database) -> Database:
    base, _, _ = database.url.rpartition("/")
    return Database(database.side, f"{base}/postgres")
