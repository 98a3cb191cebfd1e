"""Scratch copies: a landing table's rows in a temporary table, with the primary's indexes.

A copy lives in a transaction that is always rolled back, and its table is a temporary one, whose
file even a crash of the server does not leave behind. The session that holds it locks nothing else:
rows come from another one.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from importlib import resources
from typing import Any

import psycopg
from psycopg import sql
from psycopg.rows import dict_row

from runner.advice.statement_texts import Name, is_foreign
from runner.servers.database import Connection, scalar
from runner.servers.relations import MADE_BY

AT_MOST_ROWS = 200_000
AT_MOST_BYTES = 256 * 2**20
BLOCK = 8192


class NotProvenError(Exception):
    """Why a proof cannot be made, in a few words."""


@dataclass(frozen=True)
class Index:
    """An index of the primary; ``tail`` is what follows the table's name in its definition."""

    name: str
    is_unique: bool
    is_primary: bool
    is_valid: bool
    is_partial: bool
    key_columns: list[str]
    tail: str | None


@dataclass(frozen=True)
class Table:
    """A table of the primary that has a landing table, and its indexes."""

    name: Name
    columns: tuple[tuple[str, str], ...]
    indexes: tuple[Index, ...]
    rows: int
    row_bytes: float
    primary_bytes: int | None

    @property
    def column_names(self) -> tuple[str, ...]:
        return tuple(name for name, _ in self.columns)

    @property
    def made_indexes(self) -> tuple[Index, ...]:
        """The indexes that a copy has: no others serve a statement on the columns that are here."""
        return tuple(
            each
            for each in self.indexes
            if each.is_valid and each.key_columns[0] in (*self.column_names, "(expression)")
        )

    def at_most(self, rows: int) -> int:
        """So many rows of it are copied."""
        return max(1, min(rows, int(AT_MOST_BYTES / max(self.row_bytes, 1))))


@dataclass(frozen=True)
class Copy:
    """A scratch copy, and how it compares with the primary's table.

    ``density`` is how many blocks of the primary's table hold what one of the copy's does.
    """

    table: Table
    rows: int
    is_whole: bool
    density: float

    @property
    def identifier(self) -> sql.Identifier:
        return sql.Identifier("pg_temp", self.table.name.table)


@cache
def query(name: str) -> bytes:
    return resources.files("runner.advice").joinpath(f"proof_sql/{name}.sql").read_bytes()


def asked(connection: Connection, name: str, /, **values: Any) -> list[dict[str, Any]]:
    """Rows of a query in ``proof_sql``."""
    return connection.cursor(row_factory=dict_row).execute(query(name), values or None).fetchall()


def described(store: Connection, sample_id: int, name: Name) -> Table:
    """The table; raise NotProvenError where the replica does not hold its rows."""
    place = {"sample_id": sample_id, "schema": name.schema, "table": name.table}
    found = asked(store, "table", comment=f"landing table {MADE_BY}", **place)
    if not found:
        raise NotProvenError(f"the replica does not hold the rows of {name}")
    (row,) = found
    return Table(
        name,
        tuple((column, data_type) for column, data_type in row["columns"]),
        tuple(Index(each.pop("index_name"), **each) for each in asked(store, "indexes", **place)),
        max(row["primary_rows"] or 0, int(row["landing_rows"])),
        row["landing_bytes"] / max(row["landing_rows"], row["primary_rows"] or 0, 1),
        row["primary_bytes"],
    )


def make(source: Connection, scratch: Connection, table: Table, rows: int) -> Copy:
    """Copy the first rows of a landing table, in the order of its blocks.

    The rows are frozen, as those that vacuum has seen are: an index alone can answer.
    """
    with scratch.transaction():  # One that fails leaves no half of a table.
        return _made(source, scratch, table, rows)


def _made(source: Connection, scratch: Connection, table: Table, rows: int) -> Copy:
    copy = sql.Identifier("pg_temp", table.name.table)
    columns = sql.SQL(", ").join(map(sql.Identifier, table.column_names))
    scratch.execute(
        sql.SQL("create temporary table {} ({}) on commit drop").format(
            sql.Identifier(table.name.table),
            sql.SQL(", ").join(
                sql.SQL("{} {}").format(sql.Identifier(name), sql.SQL(data_type))
                for name, data_type in table.columns
            ),
        )
    )
    out = sql.SQL("copy (select {} from only {} limit {}) to stdout (format binary)").format(
        columns, sql.Identifier(*table.name), sql.Literal(rows + 1)
    )
    taken = sql.SQL("copy {} ({}) from stdin (format binary, freeze)").format(copy, columns)
    with source.cursor().copy(out) as read, scratch.cursor().copy(taken) as written:
        for data in read:
            written.write(data)
    found = int(scalar(scratch, sql.SQL("select count(*) from {}").format(copy).as_string()))
    if not found:
        raise NotProvenError(f"{table.name} has no rows")
    for index in table.made_indexes:
        add_index(scratch, copy, index)
        if index.is_primary:
            scratch.execute(
                sql.SQL("alter table {} add primary key using index {}").format(
                    copy, sql.Identifier(index.name)
                )
            )
    scratch.execute(sql.SQL("analyze {}").format(copy))
    return Copy(table, found, found <= rows, _density(scratch, copy, table, found, rows))


def add_index(scratch: Connection, table: sql.Identifier, index: Index) -> None:
    """Make an index of the primary on a scratch table; raise NotProvenError where it cannot be."""
    if index.tail is None:
        raise NotProvenError(f"the definition of the index {index.name} was not seen")
    if is_foreign(index.tail):
        raise NotProvenError(f"the index {index.name} uses what is no part of PostgreSQL")
    statement = sql.SQL("create {} index {} on {} {}").format(
        sql.SQL("unique" if index.is_unique else ""),
        sql.Identifier(index.name),
        table,
        sql.SQL(index.tail),
    )
    try:
        with scratch.transaction():
            # The extended protocol: it takes one statement alone.
            scratch.execute(statement, binary=True)
    except psycopg.Error as error:
        raise NotProvenError(
            f"the index {index.name} cannot be made on the replica's rows: "
            f"{error.diag.message_primary or error}"
        ) from None


def _density(
    scratch: Connection, copy: sql.Identifier, table: Table, rows: int, limit: int
) -> float:
    heap, whole = scratch.execute(
        "select pg_relation_size(%s::regclass), pg_table_size(%s::regclass)",
        (copy.as_string(scratch),) * 2,
    ).fetchone() or (0, 0)
    # The maps of a small table are larger than its rows.
    if table.primary_bytes is None or heap < 100 * BLOCK:
        return 1.0
    share = 1 if rows <= limit else rows / max(table.rows, rows)
    return float(table.primary_bytes * share / whole)
