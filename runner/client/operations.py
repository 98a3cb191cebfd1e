"""The statements of the data access layer, shared by its two classes, which send them.

An operation's ``script`` is a generator. It yields statements and receives their rows, so the same
script runs on a sync or async connection. An operation may be run several times, each in a
transaction of its own: it keeps results such as the ids of its rows, and stores once.
"""

from __future__ import annotations

import re
import time
import uuid
from collections.abc import Callable, Generator, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Generic, LiteralString, TypeVar

import psycopg
from psycopg import sql
from psycopg.rows import TupleRow

from runner.client import validation
from runner.client.errors import (
    DuplicateRecordError,
    IdempotencyConflictError,
    RowsRefusedError,
    StoreError,
    translated,
)
from runner.client.records import (
    Bar,
    Episode,
    Generation,
    Model,
    PlatformKey,
    RelatedPattern,
    Signal,
    SpectrumResult,
)
from runner.client.validation import InvalidRecordError, Row

T = TypeVar("T")

MAX_ROWS = 100_000
"""Rows of a bulk call: they are validated, held and stored together."""


@dataclass(frozen=True, slots=True)
class Query:
    """A statement. The script receives its rows, or their number if it returns none."""

    statement: LiteralString
    parameters: Sequence[Any] = ()


@dataclass(frozen=True, slots=True)
class Copy:
    """Rows for a table."""

    statement: sql.Composed
    rows: Sequence[Row]


Script = Generator[Query | Copy, list[TupleRow], T]


class Operation(Generic[T]):
    """Something to be done once, however often it is tried.

    Attributes:
        what: what it does, for messages.
        is_one_statement: whether it needs no transaction of its own.
        idempotency_keys: keys by which a caller can look up the outcome.
    """

    is_one_statement = False

    def __init__(self, what: str, idempotency_keys: Sequence[str] = ()) -> None:
        self.what = what
        self.idempotency_keys = idempotency_keys

    def script(self) -> Script[T]:
        """The statements of one attempt; a fresh generator each time."""
        raise NotImplementedError

    def refused(self, error: psycopg.Error) -> Exception | None:
        """The error that the caller gets; None if the next attempt will handle it."""
        return translated(self.what, error)


class _Call(Operation[T]):
    """A call of one function."""

    is_one_statement = True

    def __init__(
        self,
        what: str,
        query: Query,
        decode: Callable[[list[TupleRow]], T],
        refused: Callable[[psycopg.Error], Exception | None] = lambda error: None,
        idempotency_keys: Sequence[str] = (),
    ) -> None:
        super().__init__(what, idempotency_keys)
        self._query = query
        self._decode = decode
        self._refused = refused

    def script(self) -> Script[T]:
        rows = yield self._query
        return self._decode(rows)

    def refused(self, error: psycopg.Error) -> Exception | None:
        return self._refused(error) or translated(self.what, error)


def _value(rows: list[TupleRow]) -> Any:
    return rows[0][0]


# --- models and patterns ----------------------------------------------------------------------


def register_model(model: Model, at: datetime | None) -> Operation[int]:
    if at is not None:
        validation.checked_time("model", "at", at)
    row = validation.model_row(model)
    return _Call(
        f"register model {model.model_name} {model.version}",
        Query(
            "select public.register_ai_model(%s, %s, %s, %s::jsonb, coalesce(%s, now()))",
            (*row, at),
        ),
        _value,
    )


def model_artifact(model_name: str, version: str) -> Operation[bytes | None]:
    name = validation.checked_text("model", "model_name", model_name)
    return _Call(
        f"find the artifact of model {name} {version}",
        Query(
            "select public.ai_model_artifact(%s, %s)",
            (name, validation.checked_text("model", "version", version)),
        ),
        _value,
    )


def last_training_number(model_id: int) -> Operation[int]:
    id_ = validation.checked_id("model", "model_id", model_id)
    return _Call(
        f"find the last training of model {id_}",
        Query("select public.last_ai_training_number(%s)", (id_,)),
        _value,
    )


def find_related_patterns(
    asked: Sequence[tuple[str, datetime]], within: timedelta | None
) -> Operation[list[RelatedPattern | None]]:
    symbols = [validation.checked_text("pattern", "symbol", symbol) for symbol, _ in asked]
    times = [validation.checked_time("pattern", "at", at) for _, at in asked]

    def decode(rows: list[TupleRow]) -> list[RelatedPattern | None]:
        return [None if row[0] is None else RelatedPattern(*row) for row in rows]

    return _Call(
        f"find the patterns related to {_counted(len(asked), 'signal')}",
        Query(
            """
            select pattern_id, pattern_type, signal, confidence, created_at
            from unnest(%s::text[], %s::timestamptz[]) with ordinality as asked (symbol, at, place)
            left join lateral public.find_related_pattern(asked.symbol, asked.at, %s) on true
            order by asked.place
            """,
            (symbols, times, within),
        ),
        decode,
    )


# --- ids that are drawn first -----------------------------------------------------------------

# Two callers may collide on ids a few times; a sequence that lags behind collides always.
_MAX_DRAWS = 5


class _DrawingOperation(Operation[list[int]]):
    """Rows copied under ids drawn before, so that an earlier attempt is recognized."""

    def __init__(
        self, what: str, table: str, count: int, idempotency_keys: Sequence[str] = ()
    ) -> None:
        super().__init__(what, idempotency_keys)
        self._table = table
        self._count = count
        self._ids: list[int] = []
        self._draws = 0

    def _draw(self) -> Script[None]:
        """Draw ids, unless an earlier attempt drew them."""
        if self._ids:
            return
        if self._draws == _MAX_DRAWS:
            raise StoreError(
                f"{self.what}: nothing is stored: the ids that {self._table} gives out are taken "
                "again and again (run signal-marts deploy: it sets a sequence that lags)",
                "23505",
            )
        self._draws += 1
        rows = yield Query("select public.reserve_ai_ids(%s, %s)", (self._table, self._count))
        self._ids = [id_ for (id_,) in rows]

    def _is_of_id(self, error: psycopg.errors.UniqueViolation) -> bool:
        """Whether an id was taken, by an earlier attempt of this call or by another session."""
        return error.diag.constraint_name == f"{self._table}_pkey"


# --- signals ----------------------------------------------------------------------------------


def store_signal(signal: Signal) -> Operation[int]:
    row = validation.signal_row(signal, _new_key())
    sent = [*row[:-1]]
    sent[_PATTERN] = _as_text(row[_PATTERN])
    return _Call(
        "store the signal",
        Query(_STORE_SIGNAL, sent),
        _value,
        lambda error: _unknown_reference(error, "signal", row),
        (row[_KEY],),
    )


def _new_key() -> str:
    """A key that no other signal has. It begins with the time: new keys then lie side by side in
    their index, where random ones would each rewrite a page of it (docs/decisions/0029-growth.md).
    """
    return f"{time.time_ns() // 1_000_000:012x}{uuid.uuid4().hex[12:]}"


# The parameters in the order of SIGNAL_COLUMNS.
_STORE_SIGNAL: LiteralString = """
    select public.store_ai_signal(
        model_id => %s, idempotency_key => %s, symbol => %s, signal_type => %s,
        confidence => %s, price_target => %s, stop_loss => %s, take_profit => %s,
        metadata => %s::jsonb, pattern_id => %s, expires_at => %s, created_at => %s
    )
"""

_KEY, _SYMBOL, _TYPE = 1, 2, 3
_PATTERN = validation.SIGNAL_COLUMNS.index("pattern_id")


class StoreSignals(_DrawingOperation):
    """Many signals, all or none.

    If one signal is stored already, the next attempt looks up all keys and copies the other
    signals.
    """

    def __init__(self, signals: Iterable[Signal]) -> None:
        batch = _new_key()
        self._rows = [
            validation.signal_row(signal, f"{batch}-{index}", index)
            for index, signal in enumerate(signals)
        ]
        keys = [row[_KEY] for row in self._rows]
        what = f"store {_counted(len(keys), 'signal')}"
        super().__init__(what, "ai_trading_signals", len(keys), keys)
        _check_size("signal", len(keys))
        validation.check_distinct("signal", "idempotency_key", keys)
        self._must_look = False
        self._must_explain = False

    def script(self) -> Script[list[int]]:
        if not self._rows:
            return []
        if self._must_explain:
            yield from self._explain_reference()
        yield from self._draw()
        ids = list(self._ids)
        fresh = list(range(len(ids)))
        if self._must_look:
            known = yield Query(_FIND_SIGNALS, (list(self.idempotency_keys),))
            places = {key: place for place, key in enumerate(self.idempotency_keys)}
            for key, id_, *facts in known:
                self._check_same(places[key], id_, facts)
                ids[places[key]] = id_
            stored = {key for key, *_ in known}
            fresh = [place for place in fresh if self.idempotency_keys[place] not in stored]
        if fresh:
            rows = [(ids[place], *self._rows[place]) for place in fresh]
            yield Copy(_SIGNALS_COPY, rows)
        return ids

    def refused(self, error: psycopg.Error) -> Exception | None:
        if isinstance(error, psycopg.errors.UniqueViolation):
            # Another caller's key, or our own rows of an attempt with unknown outcome.
            self._must_look = True
            if self._is_of_id(error):
                # Our own rows are found by their keys.
                self._ids = []
            return None
        if isinstance(error, psycopg.errors.ForeignKeyViolation) and not self._must_explain:
            self._must_explain = True
            return None
        if isinstance(error, psycopg.errors.InvalidTextRepresentation):
            index = _line(error) or 0
            return _unfit_key(error, "pattern_id", self._rows[index][_PATTERN], index)
        return translated(self.what, error)

    def _explain_reference(self) -> Script[None]:
        """Name the first row whose model or pattern does not exist."""
        model = validation.SIGNAL_COLUMNS.index("model_id")
        gone = yield Query(
            "select field, key from public.missing_ai_references(%s::bigint[], %s::text[])",
            (
                sorted({row[model] for row in self._rows}),
                sorted({str(row[_PATTERN]) for row in self._rows if row[_PATTERN] is not None}),
            ),
        )
        for index, row in enumerate(self._rows):
            for field, place in {"model_id": model, "pattern_id": _PATTERN}.items():
                if (field, str(row[place])) in gone:
                    raise InvalidRecordError("signal", field, row[place], _UNKNOWN[field], index)

    def _check_same(self, place: int, id_: int, facts: list[Any]) -> None:
        row = self._rows[place]
        if facts != [row[0], row[_SYMBOL], row[_TYPE]]:
            model_id, symbol, signal_type = facts
            raise IdempotencyConflictError(
                f"signal {place}: idempotency_key {row[_KEY]!r} belongs to signal {id_} "
                f"(model {model_id}, {signal_type} {symbol}); a key names one signal",
                "SM007",
            )


_FIND_SIGNALS: LiteralString = """
    select idempotency_key, signal_id, model_id, symbol, signal_type
    from public.find_ai_signals(%s::text[])
"""


def find_signals(keys: Sequence[str]) -> Operation[dict[str, int]]:
    checked = [validation.checked_text("signal", "idempotency_key", key) for key in keys]
    return _Call(
        f"find {_counted(len(keys), 'signal')}",
        Query(_FIND_SIGNALS, (checked,)),
        lambda rows: {key: id_ for key, id_, *_ in rows},
    )


def create_trade_plan(signal_id: int, at: datetime | None) -> Operation[PlatformKey]:
    id_ = validation.checked_id("signal", "signal_id", signal_id)
    if at is not None:
        validation.checked_time("signal", "at", at)
    return _Call(
        f"create a trade plan from signal {id_}",
        Query("select public.create_trade_plan_from_ai_signal(%s, %s)", (id_, at)),
        _value,
    )


def record_execution(
    signal_id: int, trade_plan_id: PlatformKey | None, at: datetime | None
) -> Operation[bool]:
    id_ = validation.checked_id("signal", "signal_id", signal_id)
    if trade_plan_id is not None:
        trade_plan_id = validation.checked_key("signal", "trade_plan_id", trade_plan_id)
    if at is not None:
        validation.checked_time("signal", "at", at)

    def refused(error: psycopg.Error) -> Exception | None:
        if error.sqlstate == "SM011":
            reason = "is no plan of the platform"
            return InvalidRecordError("signal", "trade_plan_id", trade_plan_id, reason)
        if isinstance(error, psycopg.errors.InvalidTextRepresentation):
            return _unfit_key(error, "trade_plan_id", trade_plan_id)
        return None

    return _Call(
        f"record the execution of signal {id_}",
        Query(
            "select public.record_ai_signal_execution(%s, %s, %s)",
            (id_, _as_text(trade_plan_id), at),
        ),
        _value,
        refused,
    )


def expire_signals(at: datetime | None, model_ids: Sequence[int] | None) -> Operation[int]:
    if at is not None:
        validation.checked_time("signal", "at", at)
    if model_ids is not None:
        model_ids = [validation.checked_id("model", "model_id", id_) for id_ in model_ids]
    return _Call(
        "expire signals",
        Query("select public.expire_ai_signals(%s, %s::bigint[])", (at, model_ids)),
        _value,
    )


# --- training records -------------------------------------------------------------------------


class StoreRecords(_DrawingOperation):
    """Rows of one of the training tables, all or none."""

    def __init__(self, record: str, table: str, columns: Sequence[str], rows: list[Row]) -> None:
        super().__init__(f"store {_counted(len(rows), record)}", table, len(rows))
        _check_size(record, len(rows))
        self._record = record
        self._columns = ("id", *columns)
        self._rows = rows
        self._refusal: psycopg.errors.UniqueViolation | None = None

    def script(self) -> Script[list[int]]:
        if not self._rows:
            return []
        yield from self._draw()
        rows = [(id_, *row) for id_, row in zip(self._ids, self._rows, strict=True)]
        if self._refusal is not None:
            # Either an earlier attempt was committed after all, or another caller's rows are there.
            texts = (validation.row_as_json(self._columns, row) for row in rows)
            same = yield Query(
                "select public.same_ai_rows(%s, %s::jsonb)", (self._table, f"[{','.join(texts)}]")
            )
            if len(same) == len(rows):
                return self._ids
            if not self._is_of_id(self._refusal):
                raise self._duplicate(self._refusal)
            self._ids, self._refusal = [], None
            yield from self._draw()
            rows = [(id_, *row) for id_, row in zip(self._ids, self._rows, strict=True)]
        yield Copy(_copy(self._table, self._columns), rows)
        return self._ids

    def refused(self, error: psycopg.Error) -> Exception | None:
        if isinstance(error, psycopg.errors.UniqueViolation):
            self._refusal = error
            return None
        return _unknown_reference(error, self._record, self._rows[0]) or translated(
            self.what, error
        )

    def _duplicate(self, error: psycopg.errors.UniqueViolation) -> StoreError:
        index = _line(error)
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


def store_episodes(model_id: int, episodes: Iterable[Episode]) -> Operation[list[int]]:
    rows = [validation.episode_row(model_id, item, n) for n, item in enumerate(episodes)]
    validation.check_distinct("episode", "episode_number", [row[1] for row in rows])
    return _store_episode_rows(rows)


def store_episode(model_id: int, episode: Episode) -> Operation[list[int]]:
    return _store_episode_rows([validation.episode_row(model_id, episode)])


def store_generations(model_id: int, generations: Iterable[Generation]) -> Operation[list[int]]:
    rows = [validation.generation_row(model_id, item, n) for n, item in enumerate(generations)]
    validation.check_distinct("generation", "generation_number", [row[1] for row in rows])
    return _store_generation_rows(rows)


def store_generation(model_id: int, generation: Generation) -> Operation[list[int]]:
    return _store_generation_rows([validation.generation_row(model_id, generation)])


def store_spectrum_results(
    model_id: int, results: Iterable[SpectrumResult]
) -> Operation[list[int]]:
    rows = [validation.spectrum_row(model_id, item, n) for n, item in enumerate(results)]
    return _store_spectrum_rows(rows)


def store_spectrum_result(model_id: int, result: SpectrumResult) -> Operation[list[int]]:
    return _store_spectrum_rows([validation.spectrum_row(model_id, result)])


def _store_episode_rows(rows: list[Row]) -> Operation[list[int]]:
    return StoreRecords("episode", "rl_training_episodes", validation.EPISODE_COLUMNS, rows)


def _store_generation_rows(rows: list[Row]) -> Operation[list[int]]:
    return StoreRecords("generation", "genetic_generations", validation.GENERATION_COLUMNS, rows)


def _store_spectrum_rows(rows: list[Row]) -> Operation[list[int]]:
    return StoreRecords("spectrum result", "spectrum_analysis", validation.SPECTRUM_COLUMNS, rows)


# --- bars -------------------------------------------------------------------------------------

# Enough rows that the cost of a statement is small per row, few enough for one message.
_BARS_A_STATEMENT = 5_000


class StoreBars(Operation[int]):
    """Bars to insert; a bar that is stored already stays as it is."""

    def __init__(self, bars: Iterable[Bar]) -> None:
        self._rows = [validation.bar_row(bar, index) for index, bar in enumerate(bars)]
        super().__init__(f"store {_counted(len(self._rows), 'bar')}")
        _check_size("bar", len(self._rows))
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
    return _Call(
        f"import model {model.model_name} {model.version}",
        Query("select public.import_ai_model(%s, %s, %s, %s::jsonb)", validation.model_row(model)),
        _value,
    )


def import_rows(table: str, source_name: str, entries: Sequence[str]) -> Operation[dict[str, str]]:
    # The caller finds out which of its rows refers to a missing row.
    def refused(error: psycopg.Error) -> Exception | None:
        if isinstance(error, psycopg.IntegrityError | psycopg.DataError):
            return RowsRefusedError(f"{what}: {error.diag.message_primary}", error.sqlstate)
        return None

    what = f"import {_counted(len(entries), 'row')} of {source_name}"
    return _Call(
        what,
        Query(
            "select public.import_ai_rows(%s, %s, %s::jsonb)",
            (table, source_name, f"[{','.join(entries)}]"),
        ),
        _value,
        refused,
    )


# --- parts ------------------------------------------------------------------------------------

_UNKNOWN = {
    "model_id": "is no registered model: register it first",
    "pattern_id": "is no pattern of the platform",
}


def _unknown_reference(error: psycopg.Error, record: str, row: Row) -> InvalidRecordError | None:
    """The error for a foreign key: of one row, or of several rows with the same model."""
    if record == "signal" and isinstance(error, psycopg.errors.InvalidTextRepresentation):
        return _unfit_key(error, "pattern_id", row[_PATTERN])
    if not isinstance(error, psycopg.errors.ForeignKeyViolation):
        return None
    constraint = error.diag.constraint_name or ""
    for field, reason in _UNKNOWN.items():
        if constraint.endswith(f"_{field}_fkey"):
            # Every row begins with its model; a pattern only signals have.
            value = row[validation.SIGNAL_COLUMNS.index(field)]
            return InvalidRecordError(record, field, value, reason)
    return None


def _as_text(key: PlatformKey | None) -> str | None:
    """A key as psycopg sends it without a type: the server takes it for one of the column's."""
    return None if key is None else str(key)


def _unfit_key(
    error: psycopg.Error, field: str, value: object, index: int | None = None
) -> InvalidRecordError:
    """The error for a key of another type than the platform's: all other texts were checked."""
    reason = f"is no key of the platform: {error.diag.message_primary}"
    return InvalidRecordError("signal", field, value, reason, index)


def _line(error: psycopg.Error) -> int | None:
    """The row, from 0, at which a COPY stopped."""
    found = re.search(r"^COPY \w+, line (\d+)", error.diag.context or "", re.MULTILINE)
    return None if found is None else int(found[1]) - 1


def _check_size(record: str, count: int) -> None:
    if count > MAX_ROWS:
        reason = f"are too many for one call: at most {MAX_ROWS}"
        raise InvalidRecordError(record, "rows", count, reason)


def _copy(table: str, columns: Iterable[str]) -> sql.Composed:
    return sql.SQL("copy {} ({}) from stdin").format(
        sql.Identifier("public", table), sql.SQL(", ").join(map(sql.Identifier, columns))
    )


_SIGNALS_COPY = _copy("ai_trading_signals", ("id", *validation.SIGNAL_COLUMNS))


def _counted(count: int, thing: str) -> str:
    return f"{count:,} {thing}" if count == 1 else f"{count:,} {thing}s"
