"""A platform and a replica in databases of a running pair, fresh for whoever asks."""

from __future__ import annotations

import functools
import itertools
import os
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import psycopg
from psycopg import sql

from runner.build import builds, transform
from runner.demo.embedded import EmbeddedPair
from runner.demo.embedded_system import INSTALLS
from runner.deploy import migrations
from runner.deploy.deploy import _key_types, deploy
from runner.platform import mapping
from runner.replication import sync
from runner.servers.contract import Table, read_contract
from runner.servers.database import Connection, Database
from runner.servers.deploy_lock import one_at_a_time
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
    untouched: EmbeddedPair | None = None
    """The pair, until anything is asked of the two databases; then the platform's is made."""

    if not TYPE_CHECKING:

        def __getattribute__(self, name: str) -> Any:
            if name in ("primary", "replica") and self.untouched is not None:
                self._make_platform(self.untouched, "platform")
            return super().__getattribute__(name)

    def _make_platform(self, pair: EmbeddedPair, template: str) -> None:
        self.untouched = None
        name = self.primary.parameters()["dbname"]
        make_database(pair.urls().primary, "primary", name, template)

    def deploy(
        self, *, resync: Sequence[str] | None = None, archive: Path | None = None
    ) -> list[str]:
        """Deploy, and return the changes.

        Where this is the first that happens to the platform, its database is a copy of one on which
        the migrations were applied: these take half of a deploy's time.
        """
        applied = None if self.untouched is None else _migrated(self.untouched)
        if applied is None or applied.platform != mapping.read():
            return self._deploy(resync, archive)
        self._make_platform(applied.pair, "migrated")
        applied.let_roles_be_set(self.primary)
        changes = self._deploy(resync, archive)
        self.reports[:0] = applied.reports
        return [*applied.changes, *changes]

    def _deploy(self, resync: Sequence[str] | None, archive: Path | None) -> list[str]:
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
        table.identifier,
    )
    return connection.execute(statement).fetchone()


@dataclass(frozen=True)
class _Migrated:
    """The database ``migrated`` of a pair: the platform's, with all migrations."""

    pair: EmbeddedPair
    platform: mapping.Platform
    changes: list[str]
    reports: list[str]
    settings: list[tuple[str, str, str]]
    """Role, name and value of what holds for a role in this database; a copy has none of it."""

    def let_roles_be_set(self, copy: Database) -> None:
        with copy.connect(autocommit=True) as connection:
            for role, name, value in self.settings:
                connection.execute(
                    sql.SQL("alter role {} in database {} set {} = {}").format(
                        sql.Identifier(role),
                        sql.Identifier(copy.parameters()["dbname"]),
                        sql.Identifier(name),
                        sql.Literal(value),
                    )
                )


@functools.cache
def _migrated(pair: EmbeddedPair) -> _Migrated:
    """Apply the migrations as a deploy does, once for a pair."""
    made = make_database(pair.urls().primary, "primary", "migrated", "platform")
    primary, reports = Database("primary", made.url), list[str]()
    with one_at_a_time(primary) as session:
        with primary.connect() as connection:
            key_types = _key_types(connection, read_contract())
        changes = migrations.apply(
            primary, session, lock_timeout=2, report=reports.append, key_types=key_types
        )
        settings = session.execute(
            "select setrole::regrole::text, split_part(setting, '=', 1),"
            " substr(setting, strpos(setting, '=') + 1)"
            " from pg_db_role_setting cross join unnest(setconfig) as setting"
            " where setdatabase = (select oid from pg_database where datname = current_database())"
        ).fetchall()
    return _Migrated(pair, mapping.read(), changes, reports, settings)


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
    url = pair.urls().primary
    replica = make_database(replica_url, "replica", f"analytics_{number}")
    if template == "platform":
        primary = Database("primary", renamed(url, f"trading_{number}"), search_path="public")
        return Landscape(primary, replica, untouched=pair)
    return Landscape(make_database(url, "primary", f"trading_{number}", template), replica)
