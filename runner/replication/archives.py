"""Rows that the primary gave up, and the replica keeps: what both sides note of them.

On the primary a check constraint refuses rows of before the boundary, so that none of an archived
key can come again. Its comment lists the files that hold the rows; the constraint is validated when
no such row is left. A dump of the primary has both. On the replica a trigger keeps the rows though
the primary deletes them, and ``signal_marts.archives`` notes that all of them are there.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime

from psycopg import sql

from runner.errors import SignalMartsError
from runner.servers.contract import Table
from runner.servers.database import Connection, scalar

TIME_COLUMNS = {"public.market_bars": "opened_at"}
"""The time of each table that can be archived: a column of its key, so that a boundary in time is
one of keys; no foreign key refers to such a table."""

CHECK = "archived_check"
_TRIGGER = "signal_marts_keep_archived"


class NoteError(SignalMartsError):
    """What the primary notes of an archive cannot be read."""


@dataclass(frozen=True)
class File:
    """A file of archived rows; ``sha256`` is of their contents, ``until`` their exclusive end."""

    name: str
    until: datetime
    rows: int
    sha256: str


@dataclass(frozen=True)
class Archive:
    """What the primary notes of a table: rows of before ``refused`` cannot come.

    ``files`` has those that were written, oldest first; rows of before the last one's end may still
    be there unless ``is_done``.
    """

    refused: datetime
    files: tuple[File, ...]
    is_done: bool

    @property
    def until(self) -> datetime | None:
        """Where the rows of the files end, and those that both sides have begin."""
        return self.files[-1].until if self.files else None


def read(primary: Connection, table: Table) -> Archive | None:
    """What the primary notes of a table; None where nothing was archived.

    Raises NoteError where somebody changed the note.
    """
    if table.qualified not in TIME_COLUMNS:
        return None
    row = primary.execute(
        "select substring(pg_get_constraintdef(oid) from '''([^'']+)''')::timestamptz,"
        " coalesce(obj_description(oid, 'pg_constraint'), '[]'), convalidated from pg_constraint"
        " where conrelid = to_regclass(%s) and conname = %s and contype = 'c'",
        (table.identifier.as_string(), f"{table.name}_{CHECK}"),
    ).fetchone()
    if row is None:
        return None
    refused, noted, is_done = row
    try:
        files = tuple(
            File(**(each | {"until": datetime.fromisoformat(each["until"]).astimezone(UTC)}))
            for each in json.loads(noted)
        )
        return Archive(refused.astimezone(UTC), files, is_done)
    except (ValueError, TypeError, KeyError, AttributeError):
        raise NoteError(
            f"the constraint {table.name}_{CHECK} of {table.qualified} on the primary, or its "
            "comment, is not as signal-marts archive made it: put it back as it is in a dump"
        ) from None


def refusal(table: Table, until: datetime, files: Sequence[File]) -> Iterator[sql.Composed]:
    """Statements for the primary: refuse rows of before ``until``, and note the files."""
    constraint, on = sql.Identifier(f"{table.name}_{CHECK}"), table.identifier
    yield sql.SQL("alter table {} drop constraint if exists {}").format(on, constraint)
    yield sql.SQL("alter table {} add constraint {} check ({}) not valid").format(
        on, constraint, _since(table, until)
    )
    yield comment(table, files)


def comment(table: Table, files: Sequence[File]) -> sql.Composed:
    """The statement that notes the files on the primary."""
    noted = [asdict(file) | {"until": file.until.isoformat()} for file in files]
    return sql.SQL("comment on constraint {} on {} is {}").format(
        sql.Identifier(f"{table.name}_{CHECK}"), table.identifier, sql.Literal(json.dumps(noted))
    )


def validation(table: Table) -> sql.Composed:
    """The statement that proves that the primary has no archived row."""
    return sql.SQL("alter table {} validate constraint {}").format(
        table.identifier, sql.Identifier(f"{table.name}_{CHECK}")
    )


def keeping(table: Table, until: datetime) -> Iterator[sql.Composed]:
    """Statements for the replica: keep rows of before ``until``, and note that they are there."""
    trigger, on = sql.Identifier(_TRIGGER), table.identifier
    # In place of one of an earlier boundary, and beside readers.
    yield sql.SQL(
        "create or replace trigger {} before delete on {} for each row when (old.{} < {})"
        " execute function signal_marts.keep_archived()"
    ).format(
        trigger,
        on,
        sql.Identifier(TIME_COLUMNS[table.qualified]),
        _moment(until),
    )
    # It fires for the worker that applies the primary's changes, and for nobody else.
    yield sql.SQL("alter table {} enable replica trigger {}").format(on, trigger)
    yield sql.SQL(
        "insert into signal_marts.archives values ({}, {}) on conflict (table_name)"
        " do update set kept_before = excluded.kept_before"
    ).format(sql.Literal(table.qualified), _moment(until))


def kept(primary: Connection, table: Table) -> sql.Composable:
    """The condition of the rows that both sides have."""
    archive = read(primary, table)
    if archive is None or archive.until is None:
        return sql.SQL("true")
    return _since(table, archive.until)


def between(table: Table, since: datetime | None, until: datetime) -> sql.Composed:
    """The condition of rows from a moment (None: the first) to another."""
    column = sql.Identifier(TIME_COLUMNS[table.qualified])
    before = sql.SQL("{} < {}").format(column, _moment(until))
    return before if since is None else _since(table, since) + sql.SQL(" and ") + before


def not_loaded(primary: Connection, replica: Connection, contract: Sequence[Table]) -> set[str]:
    """Qualified names of the tables whose archived rows the replica lacks."""
    missing = set()
    for table in contract:
        archive = read(primary, table)
        if archive is None or archive.until is None:
            continue
        has_book = scalar(replica, "select to_regclass('signal_marts.archives')") is not None
        if not has_book or not scalar(
            replica,
            "select exists (select from signal_marts.archives"
            " where table_name = %s and kept_before >= %s)",
            (table.qualified, archive.until),
        ):
            missing.add(table.qualified)
    return missing


def unfinished(primary: Connection, contract: Sequence[Table]) -> list[tuple[str, datetime]]:
    """Tables, and the boundary of an archive of theirs that was begun and not ended."""
    return [
        (table.qualified, archive.refused)
        for table in contract
        if (archive := read(primary, table)) is not None and not archive.is_done
    ]


def _since(table: Table, moment: datetime) -> sql.Composed:
    return sql.SQL("{} >= {}").format(
        sql.Identifier(TIME_COLUMNS[table.qualified]), _moment(moment)
    )


def _moment(moment: datetime) -> sql.Composed:
    return sql.SQL("{}::timestamptz").format(sql.Literal(moment.isoformat()))
