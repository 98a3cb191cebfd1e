"""The platform's tables as the primary's catalog has them, and samples of their values."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from importlib import resources
from typing import Any

from psycopg import sql

from runner.platform.expressions import NUMBER
from runner.platform.roles import TYPES
from runner.servers.database import Connection

SAMPLE = 10_000
"""Rows of a table that are looked at for the kind of their numbers."""

_WRITTEN_AS = {
    "double precision": "numeric",
    "real": "numeric",
    "character varying": "text",
    "character": "text",
    "citext": "text",
    "json": "text",
    "uuid": "text",
    "smallint": "bigint",
    "integer": "bigint",
}
"""The type in which the file lists a column: one that holds every value of the platform's type."""


@dataclass(frozen=True)
class Found:
    """A table of the platform.

    Attributes:
        name: its qualified name.
        columns: the type that the file would list, by column; of those that can be listed.
        labels: the words of a column whose type is an enum.
        key: its primary key.
        references: the table and column that a column refers to by a foreign key.
        rows: about how many rows it has.
    """

    name: str
    columns: Mapping[str, str]
    labels: Mapping[str, list[str]]
    key: tuple[str, ...]
    references: Mapping[str, tuple[str, str]]
    rows: int


def read(primary: Connection, ours: frozenset[str]) -> dict[str, Found]:
    """The tables that the login may read, by qualified name, without ``ours``."""
    statement = resources.files("runner.sql").joinpath("adoptable.sql").read_text("utf-8")
    found = {}
    for name, columns, key, references, count in primary.execute(statement).fetchall():
        if name in ours:
            continue
        types = {
            c["name"]: "text" if c["labels"] else _WRITTEN_AS.get(c["type"], c["type"])
            for c in columns
        }
        found[name] = Found(
            name,
            {column: data_type for column, data_type in types.items() if data_type in TYPES},
            {c["name"]: c["labels"] for c in columns if c["labels"]},
            tuple(key),
            {r["column"]: (r["table"], r["refers_to"]) for r in references},
            count,
        )
    return found


def words(primary: Connection, found: Found, column: str) -> list[str]:
    """The texts that a column may have by its type, else those that it has: at most fifty.

    Read by the type's own output: a cast may be code of the table's owner.
    """
    if column in found.labels:
        return found.labels[column]
    seen = _ask(
        primary,
        "select pg_catalog.format('%s', {column}) from {table} where {column} is not null"
        " group by 1 order by count(*) desc, 1 limit 50",
        found.name,
        column,
    )
    return [text for (text,) in seen]


def extent(primary: Connection, table: str, column: str) -> tuple[Any, Any] | None:
    """The least and the greatest value in a sample; None without values."""
    ((least, greatest),) = _ask(
        primary,
        "select min(v), max(v) from"
        " (select {column} as v from {table} where {column} is not null limit {sample}) as s"
        " where pg_catalog.format('%s', v) not in ('NaN', 'Infinity', '-Infinity')",
        table,
        column,
    )
    return None if least is None else (least, greatest)


def are_numbers(primary: Connection, table: str, column: str) -> bool:
    """Whether all texts in a sample are numbers, and there are some."""
    ((found,),) = _ask(
        primary,
        "select coalesce(bool_and(v ~ {number}), false)"
        " from (select {column} as v from {table} where {column} is not null limit {sample}) as s",
        table,
        column,
        number=sql.Literal(NUMBER),
    )
    return bool(found)


def carries_signal_keys(primary: Connection, table: str, column: str) -> bool:
    """Whether a text in a sample is an AI signal's key; no where signals cannot be read."""
    signals = "select has_table_privilege(to_regclass('public.ai_trading_signals'), 'select')"
    if primary.execute(signals).fetchone() != (True,):
        return False
    ((found,),) = _ask(
        primary,
        "select exists (select from public.ai_trading_signals where idempotency_key in"
        " (select pg_catalog.format('%s', v) from"
        " (select {column} as v from {table} where {column} is not null limit {sample}) as s))",
        table,
        column,
    )
    return bool(found)


def hours_ahead(primary: Connection, table: str, column: str, timezone: str) -> Decimal | None:
    """By how many hours the newest time without zone is ahead of the server's clock, if it is."""
    ((found,),) = _ask(
        primary,
        "select round(extract(epoch from max({column} at time zone {zone}) - now()) / 3600, 1)"
        " from {table} where {column} between '1900-01-01' and '9999-12-30'",
        table,
        column,
        zone=sql.Literal(timezone),
    )
    return None if found is None or found <= Decimal("0.1") else found


def _ask(
    primary: Connection, text: str, table: str, column: str, **more: sql.Composable
) -> list[tuple[Any, ...]]:
    statement = sql.SQL(text).format(
        table=sql.Identifier(*table.split(".", 1)),
        column=sql.Identifier(column),
        sample=sql.Literal(SAMPLE),
        **more,
    )
    return primary.execute(statement).fetchall()
