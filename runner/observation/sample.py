"""A sample: what both servers' statistics say at one time, stored on the replica.

Each query runs in a read-only transaction of its own, within limits of time. A part that cannot be
seen, or a relation of it, is a row of ``signal_marts.sample_parts`` that says why; it is never
stored as if there were nothing.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Sequence, Set
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import psycopg
from psycopg import sql

from runner.errors import SignalMartsError
from runner.observation.queries import Query, queries
from runner.servers.database import Connection, Database, read_only, scalar
from runner.servers.statements import statements_schema

OPTIONS = read_only("5s", "100ms")
TRIES = 3
"""A lock may be taken once a query has looked for locks: the next try passes its relation over."""

OFTEN = {("primary", part) for part in ("servers", "statements", "roles", "lock_waits")} | {
    ("replica", part) for part in ("servers", "sessions")
}
"""Parts that trading_impact compares: every sample has them, a sparing one few others."""
SELDOM_SECONDS = 590
"""So old the others are at least by then: a sample every ten minutes has all parts."""

WHOLE_HOURS, LATER_HOURS = 24, 6
"""For so long all samples are kept, then the first whole one of each so many hours."""


class NoTablesError(SignalMartsError):
    """The replica has no tables for samples."""

    exit_code = 4


@dataclass(frozen=True)
class NotSeen:
    """A part of a side, or a relation in it, that could not be seen, and why."""

    side: str
    part: str
    why: str
    relation: str = ""

    def __str__(self) -> str:
        where = f" of {self.relation}" if self.relation else ""
        return f"not seen on the {self.side}: {self.part}{where}: {self.why}"


@dataclass
class Part:
    """The rows of a query, or why there are none; ``hidden`` relations were passed over."""

    query: Query
    columns: Sequence[str] = ()
    rows: Sequence[tuple[Any, ...]] = ()
    why_not: str | None = None
    seconds: float = 0
    hidden: Sequence[tuple[str, str]] = ()

    def of(self, column: str) -> list[Any]:
        """All values of a column; none where the part was not seen."""
        return [row[self.columns.index(column)] for row in self.rows]


@dataclass(frozen=True)
class Sample:
    """A sample that was stored: its number, its rows, and what was not seen.

    One that ``is_whole`` left out no part because it was stored lately.
    """

    id: int
    rows: int
    seconds: float
    not_seen: tuple[NotSeen, ...]
    is_whole: bool

    def __str__(self) -> str:
        return f"sample {self.id}: {self.rows:,} rows in {self.seconds:.2f} s"


def observe(
    primary: Database, replica: Database, *, keep_days: float, is_sparing: bool = False
) -> Sample:
    """Take a sample of both sides, store it, and forget samples older than ``keep_days``.

    A sparing one leaves out parts that were stored lately, but those of OFTEN.
    """
    begun = time.monotonic()
    with replica.connect(autocommit=True, application="signal-marts observe") as store:
        if scalar(store, "select to_regclass('signal_marts.samples')") is None:
            raise NoTablesError(
                f"the replica at {replica.address} has no tables for samples;"
                " run signal-marts deploy"
            )
        taken_at = scalar(store, "select clock_timestamp()")
        lately = _stored_lately(store) if is_sparing else set()
        sides = {database.side: _look(database, lately) for database in (primary, replica)}
        with store.transaction():
            sample_id = scalar(
                store,
                "insert into signal_marts.samples (taken_at, seconds) values (%s, %s) returning id",
                (taken_at, time.monotonic() - begun),
            )
            for side, parts in sides.items():
                for part in parts.values():
                    _store(store, sample_id, side, part)
                _remember(store, sample_id, side, parts)
        if not lately:
            _forget(store, keep_days)
    return Sample(
        sample_id,
        sum(len(part.rows) for parts in sides.values() for part in parts.values()),
        time.monotonic() - begun,
        tuple(_not_seen(sides)),
        not lately,
    )


@contextmanager
def meanwhile(
    take: Callable[[], object],
    every: float,
    on_failure: Callable[[], None],
    report: Callable[[str], None],
) -> Iterator[None]:
    """Take a sample every so many seconds, in a thread, until the block ends; 0: never.

    Whatever fails, the next sample is tried; a failure that goes on alike is reported once.
    """
    is_over = threading.Event()

    def run() -> None:
        told = None
        while not is_over.wait(every):
            try:
                take()
                told = None
            except Exception as error:
                on_failure()
                text = why_none(error)
                if text != told:
                    told = text
                    report(text)

    thread = threading.Thread(target=run, name="observe", daemon=True)
    if every:
        thread.start()
    try:
        yield
    finally:
        is_over.set()


def why_none(error: Exception) -> str:
    """Why no sample was taken, in a line."""
    lines = str(error).strip().splitlines() or [type(error).__name__]
    return f"no sample was taken: {lines[0]}"


def _stored_lately(store: Connection) -> set[tuple[str, str]]:
    """Parts, with their sides, that a sparing sample leaves out."""
    found = store.execute(
        "select p.side, p.part from signal_marts.samples as s"
        " inner join signal_marts.sample_parts as p on s.id = p.sample_id"
        " where s.taken_at between clock_timestamp() - %s * interval '1 second'"
        " and clock_timestamp()",
        (SELDOM_SECONDS,),
    )
    return {(side, part) for side, part in found} - OFTEN


def _look(database: Database, left_out: Set[tuple[str, str]]) -> dict[str, Part]:
    """The parts of a side, but those that are left out."""
    with database.connect(
        autocommit=True, application="signal-marts observe", options=OPTIONS
    ) as connection:
        version = connection.info.server_version // 10000
        sees_all = scalar(connection, "select pg_has_role('pg_read_all_stats', 'usage')")
        return {
            query.part: _ask(connection, query, version, sees_all=sees_all)
            for query in queries(version)
            if (database.side, query.part) not in left_out
        }


def _ask(connection: Connection, query: Query, version: int, *, sees_all: bool) -> Part:
    part = Part(query)
    if version < query.first_version:
        part.why_not = f"PostgreSQL has it since version {query.first_version}"
        return part
    begun = time.monotonic()
    try:
        statement = _statement(connection, query)
        if statement is None:
            part.why_not = "the extension pg_stat_statements is not in this database"
            return part
        cursor = _patiently(connection, statement)
        part.columns = [column.name for column in cursor.description or ()]
        part.rows = cursor.fetchall()
    except psycopg.Error as error:
        if connection.broken:
            raise
        part.why_not = error.diag.message_primary or str(error)
    part.seconds = time.monotonic() - begun
    if "not_seen" in part.columns:
        _set_apart(part)
    if query.hidden and not sees_all and part.why_not is None:
        part.why_not = f"{query.hidden} without the role pg_read_all_stats"
    return part


def _statement(connection: Connection, query: Query) -> sql.Composed | sql.SQL | None:
    """The query, with the place of an extension where it reads one; None where there is none."""
    if query.part != "statements":
        return sql.SQL(query.statement)
    schema = statements_schema(connection)
    if schema is None:
        return None
    return sql.SQL(query.statement).format(
        statements=sql.Identifier(schema, "pg_stat_statements"),
        info=sql.Identifier(schema, "pg_stat_statements_info"),
    )


def _patiently(connection: Connection, statement: sql.Composed | sql.SQL) -> psycopg.Cursor[Any]:
    for left in reversed(range(TRIES)):
        try:
            return connection.execute(statement)
        except psycopg.errors.LockNotAvailable:
            if not left:
                raise
    raise AssertionError


def _set_apart(part: Part) -> None:
    """Take the relations that were passed over out of a part's rows."""
    relation, reason = (part.columns.index(name) for name in ("relation", "not_seen"))
    part.hidden = [(row[relation], row[reason]) for row in part.rows if row[reason] is not None]
    kept = [n for n in range(len(part.columns)) if n not in (relation, reason)]
    seen = [row for row in part.rows if row[reason] is None]
    part.rows = [tuple(row[n] for n in kept) for row in seen]
    part.columns = [part.columns[n] for n in kept]


def _store(store: Connection, sample_id: int, side: str, part: Part) -> None:
    told: list[tuple[Any, ...]] = [
        # Without columns there was no answer, and so no number of rows.
        (
            "",
            part.why_not is None,
            part.why_not,
            len(part.rows) if part.columns else None,
            part.seconds,
        ),
        *((relation, False, why, None, None) for relation, why in part.hidden),
    ]
    _copy(
        store,
        "sample_parts",
        ("part", "relation", "is_seen", "why_not", "row_count", "seconds"),
        [(part.query.part, *each) for each in told],
        (sample_id, side),
    )
    if part.query.part == "definitions":
        return
    kept = [n for n, name in enumerate(part.columns) if name != "statement"]
    _copy(
        store,
        f"observed_{part.query.part}",
        [part.columns[n] for n in kept],
        [tuple(row[n] for n in kept) for row in part.rows],
        (sample_id, side),
    )


def _copy(
    store: Connection,
    table: str,
    columns: Sequence[str],
    rows: Sequence[tuple[Any, ...]],
    key: tuple[int, str],
) -> None:
    if not rows:
        return
    statement = sql.SQL("copy signal_marts.{} (sample_id, side, {}) from stdin").format(
        sql.Identifier(table), sql.SQL(", ").join(map(sql.Identifier, columns))
    )
    with store.cursor().copy(statement) as copy:
        for row in rows:
            copy.write_row((*key, *row))


def _remember(store: Connection, sample_id: int, side: str, parts: dict[str, Part]) -> None:
    """Keep what is kept once: definitions of indexes that are there, and texts of statements."""
    place = store.execute(
        "select system_identifier, database_id from signal_marts.observed_servers"
        " where sample_id = %s and side = %s",
        (sample_id, side),
    ).fetchone()
    definitions = parts.get("definitions")
    if place is not None and definitions is not None:
        names = ("index_id", "definition", "predicate", "expressions")
        store.execute(
            "insert into signal_marts.index_definitions"
            " select %s, %s, %s, d.*, s.taken_at from signal_marts.samples as s, unnest("
            "%s::bigint[], %s::text[], %s::text[], %s::text[]) as d"
            " where s.id = %s"
            " on conflict (side, system_identifier, database_id, index_id) do update set"
            " definition = excluded.definition, predicate = excluded.predicate,"
            " expressions = excluded.expressions",
            (side, *place, *(map(definitions.of, names)), sample_id),
        )
    if "indexes" in parts and parts["indexes"].why_not is None:
        store.execute(
            "delete from signal_marts.index_definitions as d where d.side = %s and not exists ("
            " select from signal_marts.observed_indexes as i where i.sample_id = %s"
            " and i.side = d.side and i.index_id = d.index_id)",
            (side, sample_id),
        )
    statements = parts.get("statements")
    if statements is not None:
        store.execute(
            "insert into signal_marts.statement_texts"
            " select distinct on (query_id) %s, query_id, statement"
            " from unnest(%s::bigint[], %s::text[]) as s (query_id, statement)"
            " where statement is not null on conflict do nothing",
            (side, statements.of("query_id"), statements.of("statement")),
        )


def _forget(store: Connection, keep_days: float) -> None:
    store.execute(
        """
        delete from signal_marts.samples
        where taken_at < now() - %(days)s * interval '1 day'
            or taken_at < now() - %(whole)s * interval '1 hour' and id not in (
                select (array_agg(id order by exists (
                    select from signal_marts.sample_parts as p
                    where p.sample_id = s.id and p.part = 'tables'
                ) desc, taken_at, id))[1]
                from signal_marts.samples as s
                group by date_bin(%(later)s * interval '1 hour', taken_at, '2000-01-01 00:00+00')
            )
        """,
        {"days": keep_days, "whole": WHOLE_HOURS, "later": LATER_HOURS},
    )
    store.execute(
        "delete from signal_marts.statement_texts as t where not exists ("
        " select from signal_marts.observed_statements as s"
        " where s.side = t.side and s.query_id = t.query_id)"
    )


def _not_seen(sides: dict[str, dict[str, Part]]) -> Iterator[NotSeen]:
    for side, parts in sides.items():
        for name, part in parts.items():
            if part.why_not is not None:
                yield NotSeen(side, name, part.why_not)
            for relation, why in part.hidden:
                yield NotSeen(side, name, why, relation)
