"""What an operation of the data access layer is.

An operation's ``script`` is a generator. It yields statements and receives their rows, so the same
script runs on a sync or async connection. An operation may be run several times, each in a
transaction of its own: it keeps results such as the ids of its rows, and stores once.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Generator, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Generic, LiteralString, TypeVar

import psycopg
from psycopg import sql
from psycopg.rows import TupleRow

from runner.client.errors import StoreError, translated
from runner.client.validation import SIGNAL_COLUMNS, Row
from runner.client.values import InvalidRecordError

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


def _value(rows: list[TupleRow]) -> Any:
    return rows[0][0]


class Call(Operation[T]):
    """A call of one function, whose value is the outcome unless ``decode`` makes another."""

    is_one_statement = True

    def __init__(
        self,
        what: str,
        query: Query,
        *,
        decode: Callable[[list[TupleRow]], T] = _value,
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


# --- ids that are drawn first -----------------------------------------------------------------

# Two callers may collide on ids a few times; a sequence that lags behind collides always.
_MAX_DRAWS = 5


class DrawingOperation(Operation[list[int]]):
    """Rows copied under ids drawn before, so that an earlier attempt is recognized."""

    def __init__(
        self, what: str, table: str, count: int, idempotency_keys: Sequence[str] = ()
    ) -> None:
        super().__init__(what, idempotency_keys)
        self._table = table
        self._count = count
        self._ids: list[int] = []
        self._draws = 0

    def draw(self) -> Script[None]:
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

    def is_of_id(self, error: psycopg.errors.UniqueViolation) -> bool:
        """Whether an id was taken, by an earlier attempt of this call or by another session."""
        return error.diag.constraint_name == f"{self._table}_pkey"


# --- parts ------------------------------------------------------------------------------------


def line(error: psycopg.Error) -> int | None:
    """The row, from 0, at which a COPY stopped."""
    found = re.search(r"^COPY \w+, line (\d+)", error.diag.context or "", re.MULTILINE)
    return None if found is None else int(found[1]) - 1


def check_size(record: str, count: int) -> None:
    if count > MAX_ROWS:
        reason = f"are too many for one call: at most {MAX_ROWS}"
        raise InvalidRecordError(record, "rows", count, reason)


def copy_into(table: str, columns: Iterable[str]) -> sql.Composed:
    return sql.SQL("copy {} ({}) from stdin").format(
        sql.Identifier("public", table), sql.SQL(", ").join(map(sql.Identifier, columns))
    )


def counted(count: int, thing: str) -> str:
    return f"{count:,} {thing}" if count == 1 else f"{count:,} {thing}s"


UNKNOWN = {
    "model_id": "is no registered model: register it first",
    "pattern_id": "is no pattern of the platform",
}


def unknown_reference(error: psycopg.Error, record: str, row: Row) -> InvalidRecordError | None:
    """The error for a foreign key: of one row, or of several rows with the same model."""
    if record == "signal" and isinstance(error, psycopg.errors.InvalidTextRepresentation):
        return unfit_key(error, "pattern_id", row[SIGNAL_COLUMNS.index("pattern_id")])
    if not isinstance(error, psycopg.errors.ForeignKeyViolation):
        return None
    constraint = error.diag.constraint_name or ""
    for field, reason in UNKNOWN.items():
        if constraint.endswith(f"_{field}_fkey"):
            # Every row begins with its model; a pattern only signals have.
            value = row[SIGNAL_COLUMNS.index(field)]
            return InvalidRecordError(record, field, value, reason)
    return None


def unfit_key(
    error: psycopg.Error, field: str, value: object, index: int | None = None
) -> InvalidRecordError:
    """The error for a key of another type than the platform's: all other texts were checked."""
    reason = f"is no key of the platform: {error.diag.message_primary}"
    return InvalidRecordError("signal", field, value, reason, index)
