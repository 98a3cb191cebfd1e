"""Findings, ranked and worded: a query a kind in ``sql/``, all with the same columns.

Each finding says the numbers that it rests on and since when they count. Where a migration of ours
mends it, the texts of both its files are there; the migrations of all findings are numbered in the
order of their ranks, behind those of the project. Nothing is changed.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from importlib import resources
from pathlib import Path
from typing import Any

import psycopg
from psycopg.rows import dict_row
from rich.filesize import decimal

from runner.advice.proof import GAIN, HARMFUL, NO_GAIN, Proof
from runner.errors import SignalMartsError
from runner.progress import harmless
from runner.servers.database import Connection, read_only, scalar
from runner.settings import PROJECT

AT_MOST = 12
"""So many findings are told."""

OPTIONS = read_only("60s")


class NoSampleError(SignalMartsError):
    """There is nothing to judge by: no sample, or no marts on the samples."""


@dataclass(frozen=True)
class Kind:
    """Words of a kind of finding, with the names of evidence in braces; ``verb``: of its file."""

    title: str
    gain: str
    cost: str
    mend: str = ""
    verb: str = ""


_DROPPED = "frees {index_bytes}, and saves an entry at each of {writes_per_day} writes a day"

KINDS: Mapping[str, Kind] = {
    "wraparound": Kind(
        "transaction ids run out",
        "writes go on: at 2,147,483,648 transactions the server takes no more",
        "reads the whole table once, and writes the log of each page that it freezes",
        "look for what holds xmin first: vacuum freezes nothing that is younger",
    ),
    "sequence_limit": Kind(
        "sequence near its limit",
        "writes go on: {numbers_left} numbers are left",
        "a wider type rewrites the table: at a quiet time, or by a new column",
        "make {column} and its sequence bigint (a published table: signal-marts alter), and with"
        " them the columns that point at it",
    ),
    "storage_limit": Kind(
        "storage near its limit",
        "writes go on: {days_until_limit} days are left, by a straight line",
        "none for a larger volume; a DELETE writes the log of each row, and frees no file",
        "more storage, or fewer rows: operations.storage_forecast says of which tables",
    ),
    "slot_keeps_log": Kind(
        "slot keeps the log",
        "frees {retained_bytes} of the primary's disk",
        "none; a slot that is dropped has all its tables copied again",
        "let its reader catch up (ours: signal-marts status); drop it only if nobody reads it",
    ),
    "slower_while_building": Kind(
        "trading is slower while builds run",
        "{difference_at_least} to {difference_at_most} {unit} less",
        "marts that are older",
        "build less often or at quieter times, and keep the replica off the primary's machine;"
        " of forty statements that builds do not touch, one looks slower by chance",
    ),
    "invalid_index": Kind(
        "invalid index",
        _DROPPED,
        "none; to have the index, build it again in a migration of its own",
        verb="drop",
    ),
    "duplicate_index": Kind(
        "duplicate index", _DROPPED, "none: {duplicate_of} does the same", verb="drop"
    ),
    "overlapping_index": Kind(
        "overlapping index",
        _DROPPED,
        "scans of it read {covered_by} instead, which is wider",
        verb="drop",
    ),
    "unused_index": Kind(
        "unused index",
        _DROPPED,
        "a job that runs more rarely than the statistics reach back would read the whole table",
        verb="drop",
    ),
    "foreign_key_without_index": Kind(
        "foreign key without an index",
        "each of {deletes_per_day} deletes a day on {referenced_table}"
        " reads {table_rows} rows less",
        "an entry of an index at each of {writes_per_day} writes a day",
        verb="create",
    ),
    "sequential_scans": Kind(
        "table read from end to end",
        "{seq_scans_per_day} scans a day that read {table_rows} rows each",
        "an entry of an index at each write",
        "a hint: explain the statement, and look for an index on the columns of its WHERE",
    ),
    "dead_rows": Kind(
        "dead rows and no vacuum",
        "scans pass over {dead_rows} dead rows no more, and new rows take their place",
        "reads the table once, and its indexes",
        "should they come again: set autovacuum_vacuum_scale_factor of the table lower",
    ),
    "xmin_held": Kind(
        "vacuum is held back",
        "vacuum removes the dead rows of {transactions_held} transactions",
        "its work is lost",
        "ask who runs it, and whether it is at work still, before you end it",
    ),
}
"""In the order in which findings of no known cost are told."""


_FILES = resources.files("runner.advice")


@dataclass(frozen=True)
class Migration:
    """Names and texts of a migration's two files."""

    name: str
    text: str
    rollback: str


@dataclass(frozen=True)
class Finding:
    """A finding; ``owner`` is who mends it: ours, the platform, or whoever runs a server.

    ``limit_share`` is the part of a limit that is used, beyond which trading stops;
    ``milliseconds_per_day`` what trading pays. Both are None where they are not known, and so is
    ``counted_since_at``; it is ``observed_at`` where the evidence is no count.
    """

    rank: int
    kind: str
    title: str
    side: str
    where: str
    evidence: Mapping[str, Any]
    limit_share: float | None
    milliseconds_per_day: float | None
    counted_since_at: datetime | None
    observed_at: datetime
    gain: str
    cost: str
    owner: str
    mend: str
    statement: str | None
    undo: str | None
    migration: Migration | None
    proof: Proof | None


@dataclass(frozen=True)
class Withdrawn:
    """A finding whose mend is proven to be of no gain, or harmful."""

    kind: str
    title: str
    side: str
    where: str
    proof: Proof


@dataclass(frozen=True)
class NotSeen:
    """What no finding could look at, and how it is seen."""

    side: str
    what: str
    why: str
    mend: str


@dataclass(frozen=True)
class Advice:
    """The findings of the newest sample, those beyond AT_MOST only counted."""

    observed_at: datetime
    findings: tuple[Finding, ...]
    more: int
    withdrawn: tuple[Withdrawn, ...]
    not_seen: tuple[NotSeen, ...]


Prove = Callable[[Connection, Sequence[Mapping[str, Any]]], Sequence[Proof | None]]
"""Gives the proof of each finding, or None."""


def advise(
    replica: Connection, migrations: Path = PROJECT / "migrations", prove: Prove | None = None
) -> Advice:
    """The findings, from the newest sample; raise NoSampleError where there is none.

    ``replica`` is a session of ``transformer``; ``migrations`` is the folder whose files a proposal
    follows. With ``prove``, findings of no gain are withdrawn, and harmful ones.
    """
    try:
        observed_at = scalar(replica, "select max(taken_at) from signal_marts.samples")
        if observed_at is None:
            raise NoSampleError("there is no sample yet: run signal-marts observe")
        found = findings(replica)
        not_seen = _rows(replica, _FILES.joinpath("not_seen.sql").read_text("utf-8"))
    except (psycopg.errors.UndefinedTable, psycopg.errors.InvalidSchemaName) as error:
        raise NoSampleError(
            "the replica has no marts of what the database costs:"
            " run signal-marts deploy, observe and build"
        ) from error
    found.sort(key=_place)
    told = found[:AT_MOST]
    for row, proof in zip(told, prove(replica, told) if prove else [None] * len(told), strict=True):
        row["proof"] = proof
        if proof is not None and proof.verdict == GAIN and proof.statement is not None:
            row |= {"statement": proof.statement, "undo": proof.undo}
    return Advice(
        observed_at,
        tuple(_worded([row for row in told if not _is_withdrawn(row)], migrations)),
        max(0, len(found) - AT_MOST),
        tuple(
            Withdrawn(row["kind"], KINDS[row["kind"]].title, row["side"], _where(row), row["proof"])
            for row in told
            if _is_withdrawn(row)
        ),
        tuple(NotSeen(**row) for row in not_seen),
    )


def findings(replica: Connection) -> list[dict[str, Any]]:
    """The rows of all findings, in no order."""
    return [
        row
        for file in _FILES.joinpath("sql").iterdir()
        for row in _rows(replica, file.read_text("utf-8"))
        if not (KINDS[row["kind"]].verb and _is_of_the_queue(row))
    ]


def _rows(connection: Connection, query: str) -> list[dict[str, Any]]:
    return connection.cursor(row_factory=dict_row).execute(query).fetchall()


def _is_of_the_queue(row: Mapping[str, Any]) -> bool:
    """Whether a table is procrastinate's: its indexes are that library's to make and drop."""
    return _where(row).startswith("retraining.procrastinate_")


def _is_withdrawn(row: Mapping[str, Any]) -> bool:
    """Whether its mend is proven to be none; that a table is read from end to end stays true."""
    proof: Proof | None = row["proof"]
    return (
        proof is not None
        and proof.verdict in (NO_GAIN, HARMFUL)
        and row["kind"] != "sequential_scans"
    )


def _place(row: Mapping[str, Any]) -> tuple[Any, ...]:
    """Where a finding stands: docs/observing.md#advice says by which rule."""
    kind: str = row["kind"]
    share, cost = row["limit_share"], row["milliseconds_per_day"]
    kinds = list(KINDS)
    return (
        row["side"] != "primary",
        kinds.index(kind) > kinds.index("slot_keeps_log"),
        -(share or 0),
        cost is None,
        -(cost or 0),
        kinds.index(kind),
        row["schema_name"] or "",
        row["table_name"] or "",
        row["object_name"] or "",
    )


def _worded(rows: Sequence[Mapping[str, Any]], folder: Path) -> Iterator[Finding]:
    ours, last = _migrations(folder)
    for rank, row in enumerate(rows, start=1):
        kind = KINDS[row["kind"]]
        words = {
            name: in_words(name, value, "an unknown number of")
            for name, value in row["evidence"].items()
        }
        is_ours = row["side"] == "replica" or (row["schema_name"], row["table_name"]) in ours
        migration = None
        if is_ours and row["undo"]:
            migration = _migration(row, kind, last)
            last = migration.name
        if row["table_name"] is None:
            owner = f"whoever runs the {row['side']}"
        else:
            owner = "ours" if is_ours else "the platform"
        yield Finding(
            rank=rank,
            kind=row["kind"],
            title=kind.title,
            side=row["side"],
            where=_where(row) or "the whole database",
            evidence=row["evidence"],
            limit_share=row["limit_share"],
            milliseconds_per_day=row["milliseconds_per_day"],
            counted_since_at=row["counted_since_at"],
            observed_at=row["observed_at"],
            gain=kind.gain.format_map(words),
            cost=kind.cost.format_map(words),
            owner=owner,
            mend=kind.mend.format_map(words),
            statement=row["statement"],
            undo=row["undo"],
            migration=migration,
            proof=row["proof"],
        )


def _where(row: Mapping[str, Any]) -> str:
    names = (row["schema_name"], row["table_name"], row["object_name"])
    return ".".join(name for name in names if name is not None)


# --- migrations ---------------------------------------------------------------------------------


def _migrations(folder: Path) -> tuple[set[tuple[str, str]], str]:
    """Tables that migrations make whatever is there, and the name of the last migration."""
    files = sorted(path for path in folder.glob("*.sql") if ".rollback." not in path.name)
    made = {
        (schema, table)
        for path in files
        for schema, table in re.findall(
            r"^create table (public|retraining)\.(\w+)",
            path.read_text("utf-8"),
            re.IGNORECASE | re.MULTILINE,
        )
    }
    return made, files[-1].stem


def _migration(row: Mapping[str, Any], kind: Kind, last: str) -> Migration:
    """A migration behind the last one: a concurrent statement, alone and in no transaction."""
    name = f"{kind.verb or 'create'} {row['object_name'] or row['table_name']}"
    words = re.sub(r"[^a-z0-9]+", "_", name.lower()).strip("_")
    title = f"{kind.title[0].upper()}{kind.title[1:]}"
    return Migration(
        f"{int(last[:4]) + 1:04}_{words}",
        f"-- {title}: {harmless(_where(row))}.\n-- depends: {last}\n-- transactional: false\n\n"
        f"{row['statement']}\n",
        f"{row['undo']}\n",
    )


# --- words --------------------------------------------------------------------------------------


def in_words(name: str, value: Any, unknown: str = "unknown") -> str:
    """Evidence, whose name says its unit."""
    is_size = "bytes" in name
    if value is None:
        return f"{unknown} bytes" if is_size else unknown
    if isinstance(value, bool):
        return "yes" if value else "no"
    if not isinstance(value, (int, float)):
        return str(value)
    if is_size:
        return decimal(int(value))
    is_whole = float(value).is_integer() or abs(value) >= 100
    return f"{value:,.0f}" if is_whole else f"{value:,.3g}"
