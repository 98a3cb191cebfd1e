"""Proofs: findings on indexes, tried on scratch copies of the replica's rows.

Each finding has a transaction of its own, which is rolled back. Its session waits for no lock, and
takes none on anything that builds or a watch use.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import psycopg
from psycopg import sql

from runner.advice import inserts, proof
from runner.advice.index_changes import DROPPED, MADE, SAFE, Change, change_of, check_of
from runner.advice.proof import Proof, Replayed
from runner.advice.replays import NotReplayedError, Reading, Replay, check_time, prepare
from runner.advice.scratch import (
    AT_MOST_ROWS,
    Copy,
    NotProvenError,
    Table,
    asked,
    described,
    make,
)
from runner.advice.statement_texts import CUT_AT, Name, name_of, quoted, read, tables_named, words
from runner.progress import Advance
from runner.servers.database import Connection, Database

SECONDS = 60
"""So long statements are run again for a finding."""

TOTAL_SECONDS = 600
"""After so long no other finding is tried."""

TIMES = 3
"""So often a statement is run in either way, by turns."""

OPTIONS = (
    "-c statement_timeout=20s -c lock_timeout=1s -c idle_in_transaction_session_timeout=60s"
    " -c client_connection_check_interval=2s -c search_path=pg_catalog,pg_temp -c jit=off"
    " -c synchronize_seqscans=off -c max_parallel_workers_per_gather=0"
    " -c plan_cache_mode=force_custom_plan"
)


@dataclass(frozen=True)
class Statement:
    """A statement that the primary runs."""

    text: str
    calls_per_day: float | None
    rows_per_call: float | None


@dataclass(frozen=True)
class Measured:
    """What was measured on a copy: readings without the index and with it, by statement."""

    copy: Copy
    readings: Mapping[Statement, tuple[Reading, Reading]]
    values: Mapping[Statement, tuple[str, ...]]
    not_replayed: tuple[tuple[str, str], ...]
    inserts: proof.Inserted | None


class Prover:
    """Proves findings as ``advise`` finds them.

    ``replica`` is the replica through the login of ``transformer``; at most ``rows`` of a table are
    copied. A finding is proven as if the gains among those before it were made: of two indexes that
    can stand for each other, one is kept.
    """

    def __init__(self, replica: Database, advance: Advance, rows: int = AT_MOST_ROWS) -> None:
        self._connect = partial(
            replica.connect, autocommit=True, application="signal-marts advise", options=OPTIONS
        )
        self._advance = advance
        self._rows = rows
        self._until = 0.0
        self._tables: dict[Name, Table] = {}

    def __call__(self, store: Connection, found: Sequence[Mapping[str, Any]]) -> list[Proof | None]:
        """The proof of each finding; None where it is not about an index."""
        self._until = time.monotonic() + TOTAL_SECONDS
        proofs: list[Proof | None] = []
        total = sum(row["kind"] in MADE + DROPPED for row in found)
        for row in found:
            if row["kind"] not in MADE + DROPPED:
                proofs.append(None)
                continue
            done = sum(each is not None for each in proofs)
            self._advance(done, total, f"{row['schema_name']}.{row['table_name']}")
            try:
                if time.monotonic() > self._until:
                    raise NotProvenError("others took all of the time")
                proofs.append(self._prove(store, row))
            except NotProvenError as error:
                proofs.append(Proof(proof.NOT_PROVEN, str(error)))
            except psycopg.Error as error:
                if store.broken:
                    raise
                proofs.append(Proof(proof.NOT_PROVEN, error.diag.message_primary or str(error)))
        if total:
            self._advance(total, total, "")
        return proofs

    def _prove(self, store: Connection, row: Mapping[str, Any]) -> Proof:
        name = Name(row["schema_name"], row["table_name"])
        ((sample_id,),) = store.execute(
            "select max(sample_id) from signal_marts.sample_parts"
            " where side = 'primary' and part = 'indexes' and relation = '' and is_seen"
        ).fetchall()
        of_primary = store.execute(
            "select schema_name, table_name from signal_marts.observed_tables"
            " where sample_id = %s and side = 'primary'",
            (sample_id,),
        )
        known = [Name(*each) for each in of_primary]
        tables = self._tables
        if name not in tables:
            tables[name] = described(store, sample_id, name)
        table = tables[name]
        keys = asked(
            store, "foreign_keys", sample_id=sample_id, schema=name.schema, table=name.table
        )
        change = change_of(row, table, keys)
        checks = [
            Statement(check_of(table, key["columns"]), key["deletes_per_day"], None)
            for key in keys
            if {*key["columns"]} == {*change.index.key_columns[: len(key["columns"])]}
        ]
        # What an INSERT costs is measured apart.
        named = [
            each
            for each in (Statement(**found) for found in asked(store, "statements"))
            if name in tables_named(each.text, known) and words(each.text)[0].lower() != "insert"
        ]
        statements = [*checks, *named[: proof.AT_MOST_STATEMENTS]]
        beyond = [(each.text, proof.BEYOND) for each in named[proof.AT_MOST_STATEMENTS :]]
        for statement in statements:
            for other in tables_named(statement.text, known):
                if other not in tables:
                    with suppress(NotProvenError):
                        tables[other] = described(store, sample_id, other)
        if row["kind"] == "invalid_index":
            statements, beyond = [], []
        limit = table.at_most(self._rows)
        measured = self._measure(change, statements, limit)
        measured = replace(measured, not_replayed=(*measured.not_replayed, *beyond))
        half = None
        if not measured.copy.is_whole:
            statements = list(measured.readings)
            half = self._measure(change, statements, limit // 2, has_inserts=False)
            measured = replace(
                measured,
                readings={each: measured.readings[each] for each in half.readings},
                not_replayed=(*measured.not_replayed, *half.not_replayed),
            )
        judged = _judged(row, change, measured, half)
        if judged.verdict == proof.GAIN:
            tables[name] = change.with_index if change.is_new else change.without_index
        return judged

    def _measure(
        self,
        change: Change,
        statements: Sequence[Statement],
        rows: int,
        *,
        has_inserts: bool = True,
    ) -> Measured:
        """Replays on copies of at most so many rows of each table, in their own transaction."""
        tables = self._tables
        prepared: dict[Statement, tuple[Replay, tuple[str, ...]]] = {}
        not_replayed = []
        name = change.table.name
        with (
            self._connect() as source,
            self._connect() as scratch,
            scratch.transaction(force_rollback=True),
        ):
            # With statements of its own the driver would deallocate those of the replays.
            scratch.prepare_threshold = None
            copies = {name.table: make(source, scratch, change.with_index, rows)}
            until = min(time.monotonic() + SECONDS, self._until)
            for statement in statements:
                try:
                    check_time(until)
                    named = tables_named(statement.text, [*tables])
                    for other in sorted(named):
                        if other.table not in copies:
                            limit = tables[other].at_most(rows)
                            copies[other.table] = make(source, scratch, tables[other], limit)
                    if len(statement.text) >= CUT_AT:
                        raise NotReplayedError("only its beginning is kept")
                    if any(copies[other.table].table.name != other for other in named):
                        raise NotReplayedError("two tables have one name")
                    text = read(statement.text, {each: tables[each].column_names for each in named})
                    used = {each.table: copies[each.table] for each in named}
                    prepared[statement] = (
                        prepare(scratch, text, used, statement.rows_per_call),
                        tuple(f"${number}: {use}" for number, use in sorted(text.uses.items())),
                    )
                except (NotReplayedError, NotProvenError) as error:
                    not_replayed.append((statement.text, str(error)))
            readings = {}
            for statement, (replay, _) in prepared.items():
                try:
                    readings[statement] = _by_turns(scratch, replay, change, until)
                except NotReplayedError as error:
                    not_replayed.append((statement.text, str(error)))
                except psycopg.Error as error:
                    why = error.diag.message_primary or str(error)
                    not_replayed.append((statement.text, why))
            return Measured(
                copies[name.table],
                readings,
                {statement: values for statement, (_, values) in prepared.items()},
                tuple(not_replayed),
                inserts.measured(scratch, copies[name.table], change.index)
                if has_inserts
                else None,
            )


def _by_turns(
    scratch: Connection, replay: Replay, change: Change, until: float
) -> tuple[Reading, Reading]:
    """Readings without the index and with it, one after the other, several times."""
    name = change.table.name.table
    without, with_index = [], []
    for _ in range(TIMES):
        with_index.append(_mean(replay.read(scratch, name, change.index.name, until)))
        with scratch.transaction(force_rollback=True):
            scratch.execute(
                sql.SQL("drop index {}").format(sql.Identifier("pg_temp", change.index.name))
            )
            without.append(_mean(replay.read(scratch, name, change.index.name, until)))
    return _typical(without), _typical(with_index)


def _mean(readings: Sequence[Reading]) -> Reading:
    """Of a statement's sets of values."""
    return Reading(
        statistics.fmean(each.blocks for each in readings),
        statistics.fmean(each.scanned for each in readings),
        statistics.fmean(each.milliseconds for each in readings),
        any(each.uses_index for each in readings),
    )


def _typical(times: Sequence[Reading]) -> Reading:
    """The first one's blocks, before writes that were taken back left any; the median time."""
    return replace(times[0], milliseconds=statistics.median(each.milliseconds for each in times))


def _judged(
    row: Mapping[str, Any], change: Change, measured: Measured, half: Measured | None
) -> Proof:
    copy = measured.copy
    all_rows = copy.rows if copy.is_whole else max(copy.table.rows, copy.rows)
    drawn_rows = min(all_rows, proof.AT_MOST_TIMES * copy.rows)
    replayed = _replayed(change, measured, half, drawn_rows)
    verdict, why, saved = _verdict(row, change, measured, replayed)
    if drawn_rows < all_rows and row["kind"] not in SAFE:
        on_copy = _verdict(row, change, measured, _replayed(change, measured, half, copy.rows))
        verdict, why, saved = proof.up_to(drawn_rows, (verdict, why, saved), on_copy)
    create = undo = None
    if row["kind"] == "sequential_scans":
        schema, table, index = map(quoted, (*copy.table.name, change.index.name))
        columns = ", ".join(map(quoted, change.index.key_columns))
        create = f"create index concurrently {index} on {schema}.{table} ({columns});"
        undo = f"drop index concurrently if exists {schema}.{index};"
    return Proof(
        verdict,
        why,
        copy.rows,
        all_rows,
        drawn_rows,
        tuple(replayed),
        measured.not_replayed,
        measured.inserts,
        saved,
        create,
        undo,
    )


def _replayed(
    change: Change, measured: Measured, half: Measured | None, rows: int
) -> list[Replayed]:
    """The statements on a table of so many rows."""
    copy = measured.copy
    replayed = []
    for statement, pair in measured.readings.items():
        smaller = half.readings.get(statement, pair) if half is not None else pair
        without, with_index = (
            _of_all(each, less, half.copy.rows if half else 0, copy, rows)
            for each, less in zip(pair, smaller, strict=True)
        )
        before, after = (0, 1) if change.is_new else (1, 0)
        blocks = (without, with_index)
        replayed.append(
            Replayed(
                statement.text,
                measured.values[statement],
                statement.calls_per_day,
                blocks[before],
                blocks[after],
                pair[before].milliseconds,
                pair[after].milliseconds,
                pair[1].uses_index,
            )
        )
    return replayed


def _verdict(
    row: Mapping[str, Any], change: Change, measured: Measured, replayed: Sequence[Replayed]
) -> tuple[str, str, float | None]:
    writes = row["evidence"].get("writes_per_day")
    if change.is_new:
        return proof.of_new_index(replayed, measured.not_replayed, measured.inserts, writes)
    first = change.index.key_columns[0]
    doubtful = [
        (text, why)
        for text, why in measured.not_replayed
        if first == "(expression)" or first in map(name_of, words(text))
    ]
    return proof.of_dropped_index(
        replayed, doubtful, measured.inserts, writes, is_safe=row["kind"] in SAFE
    )


def _of_all(whole: Reading, half: Reading, half_rows: int, copy: Copy, rows: int) -> float:
    """Blocks that a call touches on the primary's table.

    A part of a table is drawn on by a straight line through the copy and its half, where these
    differ by more than chance. A scan from end to end also touches what the primary's table holds
    beside: dead rows, and columns that are not replicated.
    """

    def drawn(part: float, less: float) -> float:
        if half_rows == 0 or not proof.is_more(part, less):
            return part
        return part + (part - less) * (rows - copy.rows) / (copy.rows - half_rows)

    rest = drawn(whole.blocks - whole.scanned, half.blocks - half.scanned)
    return rest + copy.density * drawn(whole.scanned, half.scanned)
