"""A large history in the landing tables of a replica, made inside the server within a minute.

Its rows look like rows of the apply worker: ``_xid`` comes from its default, changes go through the
triggers of change capture. None of them is on the primary, so only the replica's work is measured.
"""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import psutil
import psycopg
from psycopg import sql

from runner.demo.embedded import EmbeddedPair
from runner.demo.platform import create_platform
from runner.deploy.deploy import deploy
from runner.servers.database import Connection, Database

FOLDER = Path(__file__).parent
TABLES = (
    "ai_models",
    "ai_trading_signals",
    "rl_training_episodes",
    "genetic_generations",
    "spectrum_analysis",
    "market_bars",
    "micro_patterns",
    "trade_plans",
    "trading_orders",
    "trading_stats",
)


@dataclass(frozen=True)
class Size:
    """How many rows of each kind. A quarter as many patterns as signals, a tenth as many records of
    each kind of training; hourly bars, so that more bars of the same symbols are more days."""

    signals: int
    bars: int
    orders: int
    symbols: int = 200

    def times(self, factor: float) -> Size:
        """A history of the same symbols that is ``factor`` times as long."""
        return Size(
            round(self.signals * factor),
            round(self.bars * factor),
            round(self.orders * factor),
            self.symbols,
        )


# Ids of the history and of new rows on the primary do not overlap.
FIRST_ID = 1_000_000_000
FULL = Size(signals=1_000_000, bars=1_000_000, orders=500_000)
SMALL = Size(signals=10_000, bars=10_000, orders=5_000, symbols=20)


# PostgreSQL's defaults are for a machine of 1 GB; its manual advises a quarter of the memory.
_MEMORY = {
    "shared_buffers": f"{psutil.virtual_memory().total // 4 // 2**20}MB",
    "max_wal_size": "8GB",
}


@contextmanager
def servers(*, replica_disk: Path | None = None) -> Iterator[EmbeddedPair]:
    """A pair of servers in a folder of their own, deleted afterwards.

    With ``replica_disk``, a folder on another disk, the replica's data are there.
    """
    folder = _folder(None)
    elsewhere = replica_disk and _folder(replica_disk)
    pair = EmbeddedPair(folder / "pair")
    if elsewhere:
        pair.home.mkdir()
        (pair.home / "replica").symlink_to(elsewhere)
    try:
        urls = pair.up()
        os.environ["PGPASSFILE"] = str(urls.passfile)
        for url in (urls.primary, urls.replica):
            with psycopg.connect(url, autocommit=True) as connection:
                for name, value in _MEMORY.items():
                    connection.execute(
                        sql.SQL("alter system set {} = {}").format(sql.Identifier(name), value)
                    )
        pair.down()
        pair.up()
        yield pair
    finally:
        pair.down()
        shutil.rmtree(folder)
        if elsewhere:
            shutil.rmtree(elsewhere)


def deployed_replica(pair: EmbeddedPair, name: str, *, one_server: bool = False) -> Database:
    """A new replica with empty landing tables. Its subscription is off, its platform empty.

    It is on the second server, or with ``one_server`` on the platform's own.
    """
    urls = pair.urls()
    primary = _database(urls.primary, "primary", f"trading_{name}")
    replica = _database(
        urls.primary if one_server else urls.replica, "replica", f"analytics_{name}"
    )
    with primary.connect() as connection:
        create_platform(connection, days=0)
    deploy(primary, replica, lock_timeout=2, fence_timeout=60, report=lambda line: None)
    # The next deploy on these servers gives the replicator another password.
    with replica.connect(autocommit=True) as connection:
        connection.execute("alter subscription signal_marts disable")
    return replica


def platform_of(pair: EmbeddedPair, name: str) -> Database:
    """The platform's database that ``deployed_replica`` made for this name."""
    return Database("primary", f"{pair.urls().primary.rpartition('/')[0]}/trading_{name}", "public")


def add_history(replica: Database, size: Size, *, seed: int = 1) -> None:
    """Append a history of this size to the rows of the landing tables.

    The same seed on the same tables gives the same rows. Statistics are fresh afterwards, as
    autovacuum would leave them.
    """
    _append(replica, size, seed)
    with replica.connect(autocommit=True) as connection:
        for table in TABLES:
            connection.execute(sql.SQL("vacuum analyze {}").format(sql.Identifier("public", table)))


def ids_after_history(primary: Database) -> None:
    """Let the primary's new rows have other ids than the history on the replica."""
    with primary.connect() as connection:
        for table in TABLES:
            if table != "market_bars":
                connection.execute(
                    sql.SQL("select setval(pg_get_serial_sequence({}, 'id'), {})").format(
                        sql.Literal(f"public.{table}"), sql.Literal(FIRST_ID)
                    )
                )


def add_delta(replica: Database, size: Size, *, seed: int = 2) -> None:
    """Change and append rows as trading does, as many as ``size`` says.

    Half are changes of the newest rows, which come first, and half are new rows. They are too few
    for autovacuum to renew statistics.
    """
    half = size.times(0.5)
    with replica.connect() as connection:
        _note(connection, half, seed)
        connection.execute((FOLDER / "scale_changes.sql").read_bytes())
    _append(replica, half, seed)


def _append(replica: Database, size: Size, seed: int) -> None:
    with replica.connect() as connection:
        _note(connection, size, seed)
        connection.execute((FOLDER / "scale_history.sql").read_bytes())


def _folder(disk: Path | None) -> Path:
    folder = Path(tempfile.mkdtemp(prefix="signal-marts-bench-", dir=disk))
    folder.chmod(0o755)
    return folder


def _note(connection: Connection, size: Size, seed: int) -> None:
    """Store the size, the next ids and the time to continue from where the scripts find them."""
    connection.execute("select setseed(1.0 / %s)", (seed + 1,))
    connection.execute(
        """
        create temporary table scale on commit drop as
        select
            %(signals)s::integer as signals,
            %(signals)s::integer as changed_signals,
            %(orders)s::integer as changed_orders,
            %(bars)s::integer as changed_bars,
            %(symbols)s::integer as symbols,
            %(hours)s::integer as hours,
            %(hours)s * interval '1 hour' as span,
            %(orders)s::integer / 2 as round_trips,
            greatest(%(signals)s::integer / 4, 1) as patterns,
            greatest(%(signals)s::integer / 10, 1) as trainings,
            -- A tenth of the signals is HOLD and plans nothing.
            0.3 * (%(orders)s / 2) / (0.9 * %(signals)s) as planned_share,
            coalesce(
                (
                    select max(opened_at) + interval '1 hour'
                    from public.market_bars
                    where symbol = 'SYM0001' and timeframe = '1h'
                ),
                timestamptz '2025-01-01 00:00:00+00'
            ) as started_at,
            coalesce((select max(id) from public.ai_trading_signals), 0) as last_signal_id,
            coalesce((select max(id) from public.micro_patterns), 0) as last_pattern_id,
            coalesce((select max(id) from public.trade_plans), 0) as last_plan_id,
            coalesce((select max(id) from public.trading_orders), 0) as last_order_id,
            coalesce((select max(id) from public.rl_training_episodes), 0) as last_episode_id,
            coalesce((select max(id) from public.genetic_generations), 0) as last_generation_id,
            coalesce((select max(id) from public.spectrum_analysis), 0) as last_analysis_id
        """,
        {
            "signals": max(size.signals, 1),
            "bars": size.bars,
            "orders": size.orders,
            "symbols": size.symbols,
            "hours": max(size.bars // size.symbols, 1),
        },
    )


def _database(url: str, side: str, name: str) -> Database:
    base = url.rpartition("/")[0]
    with psycopg.connect(f"{base}/postgres", autocommit=True) as connection:
        connection.execute(sql.SQL("create database {}").format(sql.Identifier(name)))
    return Database(side, f"{base}/{name}", search_path="public")
