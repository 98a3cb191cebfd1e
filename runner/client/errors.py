"""Errors of the writing methods: each one says whether anything was stored."""

from __future__ import annotations

from collections.abc import Sequence

import psycopg

from runner.errors import SignalMartsError


class StoreError(SignalMartsError):
    """The database refused a call, and stored none of its rows.

    ``sqlstate`` is PostgreSQL's code, or one of the ``SM`` codes that the functions raise.
    """

    def __init__(self, message: str, sqlstate: str | None = None) -> None:
        super().__init__(message)
        self.sqlstate = sqlstate


class UnknownSignalError(StoreError):
    """There is no signal of this id (SM001)."""


class HoldSignalError(StoreError):
    """A HOLD cannot be planned or executed (SM002)."""


class ExpiredSignalError(StoreError):
    """The signal's time is over (SM003)."""


class ExecutedSignalError(StoreError):
    """The signal was executed without a plan, or with another one (SM004, SM010)."""


class PlanRefusedError(StoreError):
    """The platform's trade_plans refuses the plan (SM005)."""


class PlatformTableError(StoreError):
    """The platform lacks a table or a column that a function needs (SM006)."""


class IdempotencyConflictError(StoreError):
    """The idempotency key belongs to a signal of another model, symbol or type (SM007)."""


class ModelConflictError(StoreError):
    """The model's name and version are registered with another model_type (SM008)."""


class ShadowSignalError(StoreError):
    """The signal is of a version in shadow or retired, and becomes no plan (SM012)."""


class DuplicateRecordError(StoreError):
    """A row of this key is stored already, such as an episode of the same number.

    ``index`` is the row's position in the call, from 0, if PostgreSQL reports it.
    """

    def __init__(self, message: str, sqlstate: str | None, index: int | None) -> None:
        super().__init__(message, sqlstate)
        self.index = index


class RowsRefusedError(StoreError):
    """A row of an import refers to a missing row, or breaks a rule of the table."""


class NotStoredError(StoreError):
    """The deadline passed, and nothing is stored: the call can be made again."""


class OutcomeUnknownError(SignalMartsError):
    """The connection was lost while a call was being committed, and the deadline passed.

    It is safe to make the same call again: give signals these ``idempotency_keys``, which include
    the keys that the API made. ``find_signals`` returns which of them are stored.
    """

    def __init__(self, message: str, idempotency_keys: Sequence[str] = ()) -> None:
        super().__init__(message)
        self.idempotency_keys = tuple(idempotency_keys)


_BY_SQLSTATE: dict[str, type[StoreError]] = {
    "SM001": UnknownSignalError,
    "SM002": HoldSignalError,
    "SM003": ExpiredSignalError,
    "SM004": ExecutedSignalError,
    "SM005": PlanRefusedError,
    "SM006": PlatformTableError,
    "SM007": IdempotencyConflictError,
    "SM008": ModelConflictError,
    "SM010": ExecutedSignalError,
    "SM012": ShadowSignalError,
}

# Codes of a server that stops or starts, or of a conflict with another session: try again.
_TRANSIENT = frozenset(
    (
        "25006",  # read_only_sql_transaction: a standby, until it is promoted
        "40001",  # serialization_failure
        "40P01",  # deadlock_detected
        "53300",  # too_many_connections
        "55P03",  # lock_not_available
        "57P01",  # admin_shutdown
        "57P02",  # crash_shutdown
        "57P03",  # cannot_connect_now
    )
)


def is_transient(error: psycopg.Error) -> bool:
    """Whether the same call may succeed later."""
    return is_lost(error) or error.sqlstate in _TRANSIENT


def is_lost(error: psycopg.Error) -> bool:
    """Whether the connection broke, so that the last statement's outcome is unknown."""
    if error.sqlstate is None:
        return isinstance(error, psycopg.OperationalError | psycopg.InterfaceError)
    return error.sqlstate.startswith("08") or error.sqlstate in ("57P01", "57P02")


def translated(what: str, error: psycopg.Error) -> StoreError:
    """The error class that a caller sees for an error of PostgreSQL."""
    message = error.diag.message_primary or str(error).strip()
    hint = error.diag.message_hint
    if isinstance(error, psycopg.errors.QueryCanceled):
        hint = "a shorter batch, or a pool with a longer statement_timeout"
    elif isinstance(error, psycopg.errors.InsufficientPrivilege):
        hint = hint or "the login must be a member of ai_writer; a table of the platform is its own"
    elif isinstance(error, psycopg.errors.UniqueViolation) and (
        (error.diag.constraint_name or "").endswith("_pkey")
    ):
        hint = "the sequence of its ids lags: run signal-marts deploy"
    elif isinstance(error, psycopg.errors.UndefinedFunction | psycopg.errors.UndefinedTable):
        hint = "the primary lacks migrations: run signal-marts deploy"
    kind = _BY_SQLSTATE.get(error.sqlstate or "", StoreError)
    text = f"{what}: {message}"
    return kind(f"{text} ({hint})" if hint else text, error.sqlstate)
