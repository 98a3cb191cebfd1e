"""The statements that store rows of tables other than signals: trainings, bars, and old stores'."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, LiteralString

import psycopg

from runner.client import validation
from runner.client.errors import DuplicateRecordError, RowsRefusedError, StoreError, translated
from runner.client.operation import (
    Call,
    Copy,
    DrawingOperation,
    Operation,
    Query,
    Script,
    check_size,
    copy_into,
    counted,
    line,
    unknown_reference,
)
from runner.client.records import Bar, Model
from runner.client.validation import R, Row, Training

# --- training records -------------------------------------------------------------------------


class StoreRecords(DrawingOperation):
    """Rows of one of the training tables, all or none."""

    def __init__(self, kind: Training[Any], rows: list[Row]) -> None:
        super().__init__(f"store {counted(len(rows), kind.record)}", kind.table, len(rows))
        check_size(kind.record, len(rows))
        self._record = kind.record
        self._columns = ("id", *kind.columns)
        self._rows = rows
        self._refusal: psycopg.errors.UniqueViolation | None = None

    def script(self) -> Script[list[int]]:
        if not self._rows:
            return []
        yield from self.draw()
        rows = [(id_, *row) for id_, row in zip(self._ids, self._rows, strict=True)]
        if self._refusal is not None:
            # Either an earlier attempt was committed after all, or another caller's rows are there.
            texts = (validation.row_as_json(self._columns, row) for row in rows)
            same = yield Query(
                "select public.same_ai_rows(%s, %s::jsonb)", (self._table, f"[{','.join(texts)}]")
            )
            if len(same) == len(rows):
                return self._ids
            if not self.is_of_id(self._refusal):
                raise self._duplicate(self._refusal)
            self._ids, self._refusal = [], None
            yield from self.draw()
            rows = [(id_, *row) for id_, row in zip(self._ids, self._rows, strict=True)]
        yield Copy(copy_into(self._table, self._columns), rows)
        return self._ids

    def refused(self, error: psycopg.Error) -> Exception | None:
        if isinstance(error, psycopg.errors.UniqueViolation):
            self._refusal = error
            return None
        return unknown_reference(error, self._record, self._rows[0]) or translated(self.what, error)

    def _duplicate(self, error: psycopg.errors.UniqueViolation) -> StoreError:
        index = line(error)
        if index is None or index >= len(self._rows):
            return DuplicateRecordError(
                f"{self.what}: one of them is stored already", error.sqlstate, None
            )
        shown = ", ".join(
            f"{column} {value}"
            for column, value in zip(self._columns[1:3], self._rows[index][:2], strict=True)
        )
        return DuplicateRecordError(
            f"{self._record} {index}: {shown} is stored already", error.sqlstate, index
        )


def store_records(kind: Training[R], model_id: int, records: Iterable[R]) -> StoreRecords:
    rows = [kind.row(model_id, record, n) for n, record in enumerate(records)]
    if kind.number is not None:
        validation.check_distinct(kind.record, kind.number, [row[1] for row in rows])
    return StoreRecords(kind, rows)


def store_record(kind: Training[R], model_id: int, record: R) -> StoreRecords:
    return StoreRecords(kind, [kind.row(model_id, record, None)])


# --- bars -------------------------------------------------------------------------------------

# Enough rows that the cost of a statement is small per row, few enough for one message.
_BARS_A_STATEMENT = 5_000


class StoreBars(Operation[int]):
    """Bars to insert; a bar that is stored already stays as it is."""

    def __init__(self, bars: Iterable[Bar]) -> None:
        self._rows = [validation.bar_row(bar, index) for index, bar in enumerate(bars)]
        super().__init__(f"store {counted(len(self._rows), 'bar')}")
        check_size("bar", len(self._rows))
        validation.check_distinct(
            "bar",
            "opened_at",
            [row[:3] for row in self._rows],
            [f"{row[0]} {row[1]} {row[2]}" for row in self._rows],
        )
        # In a fixed order, so that two callers who store the same bars wait for each other without
        # a deadlock.
        self._rows.sort(key=lambda row: row[:3])

    def script(self) -> Script[int]:
        stored = 0
        for start in range(0, len(self._rows), _BARS_A_STATEMENT):
            chunk = self._rows[start : start + _BARS_A_STATEMENT]
            rows = yield Query(_STORE_BARS, tuple(map(list, zip(*chunk, strict=True))))
            stored += rows[0][0]
        return stored

    def refused(self, error: psycopg.Error) -> Exception | None:
        if isinstance(error, psycopg.errors.InsufficientPrivilege | psycopg.errors.UndefinedColumn):
            return StoreError(
                f"{self.what}: market_bars is the platform's own table, which it fills itself "
                f"({error.diag.message_primary})",
                error.sqlstate,
            )
        return translated(self.what, error)


# `returning` would need the right to read the table; the command's row count does not.
_STORE_BARS: LiteralString = """
    insert into public.market_bars (
        symbol, timeframe, opened_at, open, high, low, close, volume
    )
    select symbol, timeframe, opened_at, open, high, low, close, volume
    from unnest(
        %s::text[], %s::text[], %s::timestamptz[], %s::numeric[], %s::numeric[], %s::numeric[],
        %s::numeric[], %s::numeric[]
    ) as bars (symbol, timeframe, opened_at, open, high, low, close, volume)
    on conflict do nothing
"""


# --- rows of an old store ---------------------------------------------------------------------


def import_model(model: Model) -> Operation[int]:
    return Call(
        f"import model {model.model_name} {model.version}",
        Query("select public.import_ai_model(%s, %s, %s, %s::jsonb)", validation.model_row(model)),
    )


def import_rows(table: str, source_name: str, entries: Sequence[str]) -> Operation[dict[str, str]]:
    # The caller finds out which of its rows refers to a missing row.
    def refused(error: psycopg.Error) -> Exception | None:
        if isinstance(error, psycopg.IntegrityError | psycopg.DataError):
            return RowsRefusedError(f"{what}: {error.diag.message_primary}", error.sqlstate)
        return None

    what = f"import {counted(len(entries), 'row')} of {source_name}"
    return Call(
        what,
        Query(
            "select public.import_ai_rows(%s, %s, %s::jsonb)",
            (table, source_name, f"[{','.join(entries)}]"),
        ),
        refused=refused,
    )
