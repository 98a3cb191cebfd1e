"""One operation of the data access layer, performed on a connection of either kind."""

from __future__ import annotations

import random
import time
from typing import Any, TypeVar

import psycopg
from psycopg.pq import TransactionStatus
from psycopg.rows import TupleRow
from psycopg_pool import PoolClosed, PoolTimeout

from runner.client.errors import NotStoredError, OutcomeUnknownError, is_lost, is_transient
from runner.client.operation import Operation, Query, Script
from runner.client.pools import AsyncConnectionType
from runner.errors import UsageError
from runner.servers.database import Connection

T = TypeVar("T")

# A caller asks the pool again after this time: a pool stops replacing connections by itself, and
# tries again when asked.
_ASK_AGAIN_SECONDS = 2.0
_SHORTEST_PAUSE_SECONDS = 0.02
_LONGEST_PAUSE_SECONDS = 1.0


class Effort:
    """The attempts at one operation: whether its outcome is known, and when to give up."""

    def __init__(self, operation: Operation[Any], seconds: float, *, may_retry: bool) -> None:
        self._operation = operation
        self._may_retry = may_retry
        self._deadline = time.monotonic() + seconds
        self._seconds = seconds
        self._failures = 0
        self._is_unknown = False
        self.lost_connections = False
        # Set just before the statement is sent that the server commits.
        self.is_committing = False

    def patience(self, wait: float) -> float:
        """How long to wait for a connection, in seconds."""
        return max(0.1, min(wait, self._deadline - time.monotonic(), _ASK_AGAIN_SECONDS))

    def pause_after(self, error: psycopg.Error | PoolTimeout) -> float:
        """Seconds to wait before the next attempt; or raise the error for the caller."""
        was_committing, self.is_committing = self.is_committing, False
        if isinstance(error, PoolClosed):
            raise UsageError("the pools are closed: use them inside their `with`") from error
        if isinstance(error, PoolTimeout):
            self.lost_connections = False
        else:
            self.lost_connections = is_lost(error)
            self._is_unknown |= was_committing and self.lost_connections
            if not is_transient(error):
                return self._next_unless_refused(error)
        if not self._may_retry or time.monotonic() >= self._deadline:
            raise self._given_up(error) from error
        self._failures += 1
        longest = min(_SHORTEST_PAUSE_SECONDS * 2.0**self._failures, _LONGEST_PAUSE_SECONDS)
        # Jitter keeps callers that collided from colliding again.
        return random.uniform(0.5, 1.0) * longest  # noqa: S311

    def _next_unless_refused(self, error: psycopg.Error) -> float:
        refusal = self._operation.refused(error)
        if refusal is None and (not self._may_retry or time.monotonic() < self._deadline):
            return 0.0
        # If the call's own values were the reason, earlier attempts would have been refused as
        # well; a timeout says nothing about them.
        is_cancelled = isinstance(error, psycopg.errors.QueryCanceled)
        if refusal is None or (self._is_unknown and is_cancelled):
            raise self._given_up(error) from error
        raise refusal from error

    def _given_up(self, error: psycopg.Error | PoolTimeout) -> Exception:
        cause = str(error).strip().splitlines()[-1] if str(error).strip() else type(error).__name__
        what = self._operation.what
        if self._is_unknown:
            return OutcomeUnknownError(
                f"{what}: the connection was lost while it was being committed, and there was no "
                f"other within {self._seconds:g} s ({cause}); call again with the same idempotency "
                "keys",
                self._operation.idempotency_keys,
            )
        if isinstance(error, PoolTimeout):
            cause = "the server cannot be reached, or every connection of the pool is in use"
        return NotStoredError(f"{what}: nothing is stored: {cause}", getattr(error, "sqlstate", ""))


def perform(connection: Connection, operation: Operation[T], effort: Effort) -> T:
    if operation.is_one_statement and _is_autocommit(connection):
        effort.is_committing = True
        return _follow(connection, operation.script())
    with connection.transaction():
        result = _follow(connection, operation.script())
        effort.is_committing = True
    return result


def _follow(connection: Connection, script: Script[T]) -> T:
    """Run a script's statements, and return the script's result."""
    rows: list[TupleRow] | None = None
    with connection.cursor() as cursor:
        while True:
            try:
                step = next(script) if rows is None else script.send(rows)
            except StopIteration as stop:
                result: T = stop.value
                return result
            if isinstance(step, Query):
                cursor.execute(step.statement, step.parameters)
                rows = cursor.fetchall() if cursor.description else [(cursor.rowcount,)]
            else:
                with cursor.copy(step.statement) as copy:
                    for row in step.rows:
                        copy.write_row(row)
                rows = []


async def perform_async(
    connection: AsyncConnectionType, operation: Operation[T], effort: Effort
) -> T:
    if operation.is_one_statement and _is_autocommit(connection):
        effort.is_committing = True
        return await _follow_async(connection, operation.script())
    async with connection.transaction():
        result = await _follow_async(connection, operation.script())
        effort.is_committing = True
    return result


async def _follow_async(connection: AsyncConnectionType, script: Script[T]) -> T:
    rows: list[TupleRow] | None = None
    async with connection.cursor() as cursor:
        while True:
            try:
                step = next(script) if rows is None else script.send(rows)
            except StopIteration as stop:
                result: T = stop.value
                return result
            if isinstance(step, Query):
                await cursor.execute(step.statement, step.parameters)
                rows = await cursor.fetchall() if cursor.description else [(cursor.rowcount,)]
            else:
                async with cursor.copy(step.statement) as copy:
                    for row in step.rows:
                        await copy.write_row(row)
                rows = []


def _is_autocommit(connection: Connection | AsyncConnectionType) -> bool:
    """Whether a statement sent now is a transaction of its own."""
    return connection.autocommit and (connection.info.transaction_status == TransactionStatus.IDLE)
