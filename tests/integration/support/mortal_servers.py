"""Servers of a drill's own: made, changed and killed."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import tempfile
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest
from drills import eventually, fill, gate, running, trade
from embedded_servers import secret_of
from landscapes import VERSION, Landscape
from psycopg import sql

from runner.demo.embedded import EmbeddedPair, EmbeddedServer
from runner.demo.platform import create_platform
from runner.replication import sync
from runner.servers.database import Connection, Database
from runner.servers.sides import connected


def kill_server(server: EmbeddedServer) -> None:
    """kill -9 the server's main process; its backends notice and end."""
    pid = server.pid()
    assert pid is not None
    family = [psutil.Process(pid), *psutil.Process(pid).children()]
    os.kill(pid, signal.SIGKILL)
    psutil.wait_procs(family, timeout=60)


@contextlib.contextmanager
def doomed(database: Database) -> Iterator[Connection]:
    """A connection whose server may die before the block ends."""
    with database.connect() as connection:
        try:
            yield connection
        finally:
            connection.close()


@contextlib.contextmanager
def public_folder() -> Iterator[Path]:
    """A folder that the servers' user can reach; in memory if there is room, since making files
    durable would take most of the time."""
    memory = Path("/dev/shm")  # noqa: S108
    roomy = memory.is_dir() and shutil.disk_usage(memory).free > 2**31
    folder = Path(tempfile.mkdtemp(prefix="drills-", dir=memory if roomy else None))
    folder.chmod(0o755)
    try:
        yield folder
    finally:
        shutil.rmtree(folder)


@contextlib.contextmanager
def servers(version: int = VERSION) -> Iterator[EmbeddedPair]:
    """A running pair that may be killed and reconfigured."""
    with public_folder() as folder:
        pair = EmbeddedPair(folder / "home", version=version)
        try:
            pair.up()
            for server in (pair.primary, pair.replica):
                hurry(pair, server)
            yield pair
        finally:
            pair.destroy()


def hurry(pair: EmbeddedPair, server: EmbeddedServer) -> None:
    """Let workers that failed try again soon, and spare each login thousands of hashes."""
    configure(pair, server, "wal_retrieve_retry_interval", "500ms")
    if pair.version >= 16:
        configure(pair, server, "scram_iterations", "1")
        with at_server(pair, server) as connection:
            connection.execute("set scram_iterations = 1")
            connection.execute(
                sql.SQL("alter role postgres password {}").format(sql.Literal(secret_of(pair)))
            )


@contextlib.contextmanager
def landscape_on(pair: EmbeddedPair) -> Iterator[Landscape]:
    """Fresh databases on a pair of a drill's own, whose passfile stands in the URLs.

    One at a time on a pair: they are always of the same names, the replica's one that dbt has read
    the project for (read_once).
    """
    landscape = Landscape(
        create_database(pair, pair.primary, "primary", "platform"),
        create_database(pair, pair.replica, "replica", "analytics_1"),
    )
    with landscape.primary.connect() as connection:
        create_platform(connection, days=0)
    trade(landscape)
    try:
        yield landscape
    finally:
        pair.up()
        with connected(landscape.primary, landscape.replica) as sides:
            sync.remove(sides)
        for server, database in (
            (pair.primary, landscape.primary),
            (pair.replica, landscape.replica),
        ):
            name = database.parameters()["dbname"]
            with at_server(pair, server) as connection:
                connection.execute(
                    sql.SQL("drop database {} with (force)").format(sql.Identifier(name))
                )


def create_database(pair: EmbeddedPair, server: EmbeddedServer, side: str, name: str) -> Database:
    """An empty database of that name."""
    with at_server(pair, server) as connection:
        connection.execute(sql.SQL("create database {}").format(sql.Identifier(name)))
    return database_on(pair, server, side, name)


def database_on(pair: EmbeddedPair, server: EmbeddedServer, side: str, name: str) -> Database:
    """A database of a server whose password is not in the environment's passfile."""
    return Database(
        side,
        f"postgresql://postgres@127.0.0.1:{server.port}/{name}?passfile={pair.passfile}",
        search_path="public",
    )


@contextlib.contextmanager
def at_server(pair: EmbeddedPair, server: EmbeddedServer) -> Iterator[Connection]:
    """The maintenance database of a server."""
    with database_on(pair, server, server.name, "postgres").connect(autocommit=True) as connection:
        yield connection


def configure(pair: EmbeddedPair, server: EmbeddedServer, name: str, value: str) -> None:
    """Change a setting that needs no restart."""
    with at_server(pair, server) as connection:
        connection.execute(
            sql.SQL("alter system set {} = {}").format(sql.Identifier(name), sql.Literal(value))
        )
        connection.execute("select pg_reload_conf()")


on_both_versions = pytest.mark.parametrize(
    "mortals", [18, pytest.param(16, marks=pytest.mark.long)], indirect=True, scope="module"
)


@pytest.fixture(scope="module", params=[18])
def mortals(request: pytest.FixtureRequest) -> Iterator[EmbeddedPair]:
    """A pair that the drills may kill, stop and set back."""
    with servers(request.param) as pair:
        yield pair


@pytest.fixture
def bare(mortals: EmbeddedPair) -> Iterator[Landscape]:
    """A platform on that pair, before its first deploy."""
    with landscape_on(mortals) as made:
        yield made


def server(pair: EmbeddedPair, side: str) -> EmbeddedServer:
    found: EmbeddedServer = getattr(pair, side)
    return found


@contextlib.contextmanager
def copying(landscape: Landscape) -> Iterator[None]:
    """A first deploy whose copy of micro_patterns cannot end before the block does."""
    fill(landscape, 1000)
    with doomed(landscape.replica) as blocker, running(landscape, "deploy") as runner:
        with gate(landscape, "replica", "CREATE SUBSCRIPTION") as closed:
            eventually(lambda: closed.holds() or runner.ended())
            blocker.execute(
                "create function hold() returns trigger language plpgsql as $$ begin"
                " perform pg_advisory_xact_lock_shared(4); return new; end $$;"
                "create trigger hold before insert on micro_patterns"
                " for each row when (new.id > 0) execute function hold();"
                "alter table micro_patterns enable always trigger hold;"
                "select pg_advisory_lock(4)"
            )
            blocker.commit()
        eventually(
            lambda: landscape.on_replica(
                "select 1 from pg_locks where locktype = 'advisory' and objid = 4 and not granted"
                " and database = (select oid from pg_database where datname = current_database())"
            )
        )
        yield
