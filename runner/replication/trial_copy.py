"""A copy of the primary's rows that stores nothing: it finds the row that the replica cannot store.

Replication carries text. A value that one side writes and the other cannot read (a json that jsonb
refuses, a document nested deeper than a stack) stops all tables, and a new copy as well.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

import psycopg
from psycopg import sql

from runner.errors import SignalMartsError
from runner.replication import landing
from runner.servers.contract import Table
from runner.servers.database import Connection
from runner.servers.planted import guarded
from runner.servers.relations import read_relations

_PLACE = re.compile(r"^COPY \w+, line (?P<line>\d+)(?:, column (?P<column>[^:\n]+))?", re.MULTILINE)


class UnreplicableRowError(SignalMartsError):
    """A row of the primary that the replica cannot take: its table, key and column, and why."""

    exit_code = 4

    def __init__(self, table: str, key: str, column: str | None, reason: str) -> None:
        where = f"the row {key} of {table}" + (f", column {column}," if column else "")
        super().__init__(
            f"{where} cannot be replicated: {reason}. No table was emptied to copy it again, which "
            "would stop there too. Correct or delete the row on the primary, or give the column "
            "the type text in platform.yml, then run signal-marts deploy"
        )


class _CannotWriteError(Exception):
    """The primary cannot write a row as text."""


def check(primary: Connection, replica: Connection, contract: Sequence[Table]) -> None:
    """Raise UnreplicableRowError for the first row that the replica's types cannot take.

    All rows of the contract's tables are read. Both connections are in autocommit mode.
    """
    on_primary = read_relations(primary, contract)
    on_replica = read_relations(replica, contract)
    for table in contract:
        if table.qualified in on_primary and table.qualified in on_replica:
            _check(primary, replica, table, on_primary[table.qualified].key)


def _check(primary: Connection, replica: Connection, table: Table, key: Sequence[str]) -> None:
    # By its key, so that a row's place finds it again; without a sort, which would wait for all.
    rows = sql.SQL("from {} order by {}").format(table.identifier, landing.names(key))
    primary.isolation_level = psycopg.IsolationLevel.REPEATABLE_READ
    try:
        with guarded(primary, table.qualified):
            primary.execute("set local enable_sort = off")
            refused = _first_refused(primary, replica, table, rows)
            if refused is None:
                return
            number, column, reason = refused
            found = primary.execute(
                sql.SQL("select {} {} limit 1 offset {}").format(
                    landing.names(key), rows, sql.Literal(number - 1)
                )
            ).fetchone()
    finally:
        primary.isolation_level = None
    shown = ", ".join(f"{name} = {value}" for name, value in zip(key, found or (), strict=False))
    raise UnreplicableRowError(table.qualified, f"({shown})", column, reason)


def _first_refused(
    primary: Connection, replica: Connection, table: Table, rows: sql.Composed
) -> tuple[int, str | None, str] | None:
    """Number, from 1, of the first row that cannot be stored, its column if known, and the reason.

    Failed statements are undone on both sides, so that the primary's transaction goes on.
    """
    columns = landing.names(table.column_names)
    count = 0

    def written() -> Iterator[bytes | bytearray | memoryview]:
        nonlocal count
        query = sql.SQL("copy (select {} {}) to stdout").format(columns, rows)
        try:
            with primary.transaction(), primary.cursor().copy(query) as out:
                for line in out:
                    yield line
                    count += 1
        except psycopg.Error as error:
            raise _CannotWriteError(_said(error)) from error

    try:
        with replica.transaction(force_rollback=True):
            replica.execute(
                sql.SQL("create temporary table trial as select {} from {} limit 0").format(
                    columns, table.identifier
                )
            )
            # Every value is read; no row is stored.
            query = sql.SQL("copy pg_temp.trial ({}) from stdin where false").format(columns)
            with replica.cursor().copy(query) as into:
                for line in written():
                    into.write(line)
    except _CannotWriteError as error:
        return count + 1, None, str(error)
    except psycopg.Error as error:
        place = _PLACE.search(error.diag.context or "")
        if place is None:
            raise
        return int(place["line"]), place["column"], _said(error)
    return None


def _said(error: psycopg.Error) -> str:
    parts = (error.diag.message_primary or str(error).strip(), error.diag.message_detail)
    return " ".join(part.rstrip(".") for part in parts if part)
