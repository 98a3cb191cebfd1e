"""Statements of the primary, run again on scratch copies, with values from their rows.

A replay can write to temporary tables alone: it runs in a read-only transaction within the one that
is rolled back. What it writes is taken back at once.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import count
from time import monotonic
from typing import Any

import psycopg
from psycopg import sql

from runner.advice.scratch import Copy, asked
from runner.advice.statement_texts import Text, Use
from runner.servers.database import Connection, scalar

ROWS = ("equal", "value", "array")
"""Uses whose values are those of a row."""

SETS = 5
"""So many sets of values a statement is run with."""

SHARE = 0.01
"""The part of a column's values that a range holds, where nothing says how many rows come back."""

_CONSTANTS = {
    **dict.fromkeys(("smallint", "integer", "bigint", "numeric", "real", "double precision"), "1"),
    "text": "x",
    "boolean": "true",
}
_numbers = count(1)


class NotReplayedError(Exception):
    """Why a statement cannot be run again, in a few words."""


def check_time(until: float) -> None:
    """Raise NotReplayedError at the end of the time that statements have."""
    if monotonic() > until:
        raise NotReplayedError("there was no time left")


@dataclass(frozen=True)
class Reading:
    """What a call took: blocks touched, those of them that scans of the table from end to end
    touched, milliseconds, and whether it used the index."""

    blocks: float
    scanned: float
    milliseconds: float
    uses_index: bool


@dataclass(frozen=True)
class Replay:
    """A prepared statement, with sets of values."""

    text: str
    prepared: str
    values: tuple[tuple[str, ...], ...]

    def read(self, scratch: Connection, table: str, index: str, until: float) -> list[Reading]:
        """A reading of each set, once the session has looked its tables up anew.

        Raise NotReplayedError where the time ends before.
        """
        readings = []
        for each in (self.values[0], *self.values):
            check_time(until)
            readings.append(self._run(scratch, each, table, index))
        return readings[1:]

    def _run(self, scratch: Connection, values: Sequence[str], table: str, index: str) -> Reading:
        with scratch.transaction(force_rollback=True):
            scratch.execute(
                "set local transaction_read_only = on; set local statement_timeout = '5s'"
            )
            told = explained(scratch, self.prepared, values, "analyze, buffers, timing off,")
        nodes = list(_nodes(told["Plan"]))
        return Reading(
            blocks(told["Plan"]),
            sum(
                blocks(node)
                for node in nodes
                if node["Node Type"] == "Seq Scan" and node["Relation Name"] == table
            ),
            told["Execution Time"],
            any(node.get("Index Name") == index for node in nodes),
        )


def prepare(
    scratch: Connection, text: Text, copies: Mapping[str, Copy], rows_per_call: float | None
) -> Replay:
    """A statement made ready on scratch copies, by the names of their tables.

    Raise NotReplayedError where it would touch anything else, or values cannot be chosen.
    """
    kind = text.text.split(maxsplit=1)[0].lower()
    if kind not in ("select", "with", "update", "delete"):
        raise NotReplayedError(f"it is no query, UPDATE or DELETE, but {kind.upper()}")
    if ";" in text.text:
        raise NotReplayedError("it is more than one statement")
    if text.unknown:
        raise NotReplayedError(
            "no value can be chosen for " + ", ".join(f"${number}" for number in text.unknown)
        )
    prepared = f"signal_marts_proof_{next(_numbers)}"
    try:
        # The prepared statement stays; the locks that parsing it took do not.
        with scratch.transaction(force_rollback=True):
            scratch.execute("set local statement_timeout = '5s'")
            # The extended protocol: it takes one statement alone.
            scratch.execute(
                sql.SQL("prepare {} as {}").format(sql.Identifier(prepared), sql.SQL(text.text)),
                binary=True,
            )
            types = scalar(
                scratch,
                "select parameter_types::text[] from pg_prepared_statements where name = %s",
                (prepared,),
            )
            _check_parts(scratch, prepared, text.text, types)
            values = list(_values(scratch, text, copies, types, rows_per_call))
            _check_plan(scratch, prepared, values[0])
    except psycopg.Error as error:
        raise NotReplayedError(error.diag.message_primary or str(error)) from None
    return Replay(text.text, prepared, tuple(values))


def explained(
    scratch: Connection, prepared: str, values: Sequence[str], options: str
) -> dict[str, Any]:
    """The plan of a prepared statement, and with ``analyze`` what it took."""
    given = sql.SQL("({})").format(sql.SQL(", ").join(map(sql.Literal, values)))
    ((told,),) = scratch.execute(
        sql.SQL("explain ({} format json) execute {} {}").format(
            sql.SQL(options), sql.Identifier(prepared), given if values else sql.SQL("")
        )
    ).fetchall()
    plan: dict[str, Any] = told[0]
    return plan


def blocks(node: Mapping[str, Any]) -> float:
    """Blocks that a node and those below it touched, in memory or not."""
    return float(
        sum(
            node.get(f"{place} {what} Blocks", 0)
            for place in ("Shared", "Local")
            for what in ("Hit", "Read")
        )
    )


def _nodes(node: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    yield node
    for below in node.get("Plans", ()):
        yield from _nodes(below)


def _check_parts(scratch: Connection, name: str, text: str, types: Sequence[str]) -> None:
    """Raise NotReplayedError if a statement means anything but scratch copies and harmless parts
    of PostgreSQL.

    Nothing of it has run: even a plan calls functions.
    """
    scratch.execute(
        sql.SQL(
            "create function pg_temp.{} ({}) returns void language sql begin atomic {}; end"
        ).format(sql.Identifier(name), sql.SQL(", ").join(map(sql.SQL, types)), sql.SQL(text)),
        binary=True,
    )
    for row in asked(scratch, "refused", name=name):
        raise NotReplayedError(row["why"])


def _check_plan(scratch: Connection, prepared: str, values: Sequence[str]) -> None:
    """Raise NotReplayedError if a statement reads anything but scratch copies."""
    for node in _nodes(explained(scratch, prepared, values, "verbose,")["Plan"]):
        schema, function = str(node.get("Schema", "pg_temp")), node.get("Function Name", "pg_")
        # Functions of the server's own about itself may be called by its views.
        if not schema.startswith("pg_temp") and (
            schema != "pg_catalog" or function.startswith("pg_")
        ):
            what = node.get("Relation Name", node.get("Function Name"))
            raise NotReplayedError(f"it reads {schema}.{what}, which has no scratch copy")


# --- values -------------------------------------------------------------------------------------


def _values(
    scratch: Connection,
    text: Text,
    copies: Mapping[str, Copy],
    types: Sequence[str],
    rows_per_call: float | None,
) -> Iterator[tuple[str, ...]]:
    """Sets of values: of rows evenly through the copies, and of ranges of their columns."""
    uses = [text.uses[number] for number in range(1, len(types) + 1)]
    chosen: dict[Use, list[str]] = {}
    for name, copy in copies.items():
        of_rows = sorted({use for use in uses if use.table == name and use.kind in ROWS})
        chosen |= _of_rows(scratch, copy, of_rows)
    for use, data_type in zip(uses, types, strict=True):
        if use.kind == "limit":
            chosen[use] = [str(max(1, round(rows_per_call or 100)))] * SETS
        elif use.kind == "offset":
            chosen[use] = ["0"] * SETS
        elif use.kind == "constant" and data_type not in _CONSTANTS:
            raise NotReplayedError(f"no value can be chosen for a constant of type {data_type}")
        elif use.kind in ("lower", "upper"):
            # A statement with other conditions returns a part of the range's rows.
            share = SHARE
            if (rows_per_call or 0) > 1 and all(each.kind in ("lower", "upper") for each in uses):
                share = min(1.0, (rows_per_call or 0) / copies[use.table].rows)
            is_closed = {replace(use, kind=kind) for kind in ("lower", "upper")} <= {*uses}
            chosen[use] = _ends(scratch, copies[use.table], use, share, is_closed=is_closed)
    for number in range(SETS):
        yield tuple(
            _CONSTANTS[data_type] if use.kind == "constant" else chosen[use][number]
            for use, data_type in zip(uses, types, strict=True)
        )


def _of_rows(scratch: Connection, copy: Copy, uses: Sequence[Use]) -> dict[Use, list[str]]:
    """Values of columns in rows evenly through a copy in which none of them is NULL."""
    if not uses:
        return {}
    columns = [sql.Identifier(use.column) for use in uses]
    cells = [
        sql.SQL("array[{}]::text" if use.kind == "array" else "{}::text").format(column)
        for use, column in zip(uses, columns, strict=True)
    ]
    found = scratch.execute(
        sql.SQL(
            "select {cells} from ("
            " select *, row_number() over (order by ctid) - 1 as _number, count(*) over () as _rows"
            " from {copy} where ({columns}) is not null"
            ") as numbered where _number in ({numbers}) order by _number"
        ).format(
            cells=sql.SQL(", ").join(cells),
            copy=copy.identifier,
            columns=sql.SQL(", ").join(columns),
            numbers=sql.SQL(", ").join(
                sql.SQL("{} * _rows / {}").format(sql.Literal(2 * n + 1), sql.Literal(2 * SETS))
                for n in range(SETS)
            ),
        )
    ).fetchall()
    if not found:
        raise NotReplayedError(f"no row has a value in {', '.join(use.column for use in uses)}")
    rows = [found[number % len(found)] for number in range(SETS)]
    return {use: [row[place] for row in rows] for place, use in enumerate(uses)}


def _ends(scratch: Connection, copy: Copy, use: Use, share: float, *, is_closed: bool) -> list[str]:
    """Ends of ranges that hold a share of a column's values.

    Where the statement gives both ends, evenly through the values, else at their end.
    """
    if is_closed:
        starts = [(number + 0.5) / SETS * (1 - share) for number in range(SETS)]
        places = starts if use.kind == "lower" else [start + share for start in starts]
    else:
        places = [1 - share if use.kind == "lower" else share] * SETS
    found: list[str | None] = scalar(
        scratch,
        sql.SQL(
            "select percentile_disc({}::double precision[]) within group (order by {})::text[]"
            " from {}"
        )
        .format(sql.Literal(places), sql.Identifier(use.column), copy.identifier)
        .as_string(scratch),
    )
    ends = [value for value in found or () if value is not None]
    if len(ends) < SETS:
        raise NotReplayedError(f"no row has a value in {use.column}")
    return ends
