"""A platform and a replica in databases of a running pair, fresh for whoever asks."""

from __future__ import annotations

import itertools
import os
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import psycopg
from psycopg import sql

from runner.build import builds, transform
from runner.demo.embedded import EmbeddedPair
from runner.demo.embedded_system import INSTALLS
from runner.deploy.deploy import deploy
from runner.replication import sync
from runner.servers.contract import Table, read_contract
from runner.servers.database import Connection, Database
from runner.servers.sides import connected

VERSION = int(os.environ.get("SIGNAL_MARTS_TEST_POSTGRES", "18"))
"""Version of the servers that tests run on: 18, 16, or one that is installed as Debian does, 15."""
INSTALLS.setdefault(VERSION, f"/usr/lib/postgresql/{VERSION}")

PARSE = "partial_parse.msgpack"
"""Where dbt keeps what it read of the project, in its output folder."""

_in_use: set[str] = set()
"""The replicas' databases of the landscapes that there are."""


@dataclass
class Landscape:
    """A platform's database, a replica's, and the steps of tests on them."""

    primary: Database
    replica: Database
    reports: list[str] = field(default_factory=list)

    def deploy(
        self, *, resync: Sequence[str] | None = None, archive: Path | None = None
    ) -> list[str]:
        """Deploy, and return the changes."""
        self.reports.clear()
        return deploy(
            Database("primary", self.primary.url),
            Database("replica", self.replica.url),
            lock_timeout=2,
            fence_timeout=60,
            report=self.reports.append,
            resync=resync,
            archive=archive,
        )

    def build(self, target: Path, *select: str, tests: bool = False) -> transform.Build:
        """Build some models, with their data tests where these are looked at."""
        return builds.build(
            Database("primary", self.primary.url),
            Database("replica", self.replica.url),
            fence_timeout=60,
            advance=lambda done, total, at: None,
            select=select,
            exclude=() if tests else ("resource_type:test",),
            target=target,
        )

    def execute(self, side: str, statement: str) -> list[tuple[object, ...]]:
        """Run a statement on a side, in a transaction of its own, and return its rows."""
        with getattr(self, side).connect() as connection:
            cursor = connection.execute(statement)
            return cursor.fetchall() if cursor.description else []

    def on_primary(self, statement: str) -> list[tuple[object, ...]]:
        return self.execute("primary", statement)

    def on_replica(self, statement: str) -> list[tuple[object, ...]]:
        return self.execute("replica", statement)

    def differences(self, contract: Sequence[Table] | None = None) -> list[str]:
        """Published tables whose rows differ between the sides, by a hash of their contents."""
        with connected(self.primary, self.replica) as sides:
            return [
                table.qualified
                for table in contract or read_contract()
                if _content(sides.on_primary, table) != _content(sides.on_replica, table)
            ]


def _content(connection: Connection, table: Table) -> tuple[object, ...] | None:
    """Number of rows, and a hash of them, with the contract's types."""
    # A column of more decimals writes earlier replicated values with more zeros; in another
    # encoding a text has other bytes. A row writes its other values as replication sends them.
    written = {
        "numeric": "trim_scale({}::text::numeric)",
        "double precision": "{}::text::double precision",
    }
    statement = sql.SQL(
        "select count(*), coalesce(md5(string_agg(line, '' order by line)), '') from ("
        "select md5(convert_to(row({})::text, 'UTF8')) as line from {}) as t"
    ).format(
        sql.SQL(", ").join(
            sql.SQL(written.get(data_type, "{}")).format(sql.Identifier(name))
            for name, data_type in table.columns
        ),
        sql.Identifier(table.schema, table.name),
    )
    return connection.execute(statement).fetchone()


def make_database(url: str, side: str, name: str, template: str = "template1") -> Database:
    with psycopg.connect(renamed(url, "postgres"), autocommit=True) as connection:
        connection.execute(
            sql.SQL("create database {} template {}").format(
                sql.Identifier(name), sql.Identifier(template)
            )
        )
    # A test need not name the schema public; the runner does: see Landscape.deploy.
    return Database(side, renamed(url, name), search_path="public")


def renamed(url: str, name: str) -> str:
    base, _, _ = url.rpartition("/")
    return f"{base}/{name}"


def drop_landscape(landscape: Landscape) -> None:
    with connected(landscape.primary, landscape.replica) as sides:
        sync.remove(sides)
    for database in (landscape.primary, landscape.replica):
        name = database.parameters()["dbname"]
        with psycopg.connect(renamed(database.url, "postgres"), autocommit=True) as connection:
            connection.execute(
                sql.SQL("drop database {} with (force)").format(sql.Identifier(name))
            )
        _in_use.discard(name)


def make_landscape(
    pair: EmbeddedPair, replica_url: str, *, template: str = "platform"
) -> Landscape:
    """Databases of the next free names: the platform's is a copy of ``template``."""
    # The same names again, as soon as these are gone: dbt reads the project for each (read_once).
    number = next(n for n in itertools.count(1) if f"analytics_{n}" not in _in_use)
    _in_use.add(f"analytics_{number}")
    return Landscape(
        make_database(pair.urls().primary, "primary", f"trading_{number}", template),
        make_database(replica_url, "replica", f"analytics_{number}"),
    )
