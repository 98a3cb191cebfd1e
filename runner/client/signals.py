"""The data access layer that AI modules write through.

:class:`AITradingIntegration` is for threads, :class:`AsyncAITradingIntegration` for asyncio; they
do the same. Records go in and come out as the frozen classes of :mod:`runner.client.records`::

    with Pools.from_environment() as pools:
        integration = AITradingIntegration(pools)
        model_id = integration.register_model(model)
        signal_id = integration.store_ai_signal(replace(signal, model_id=model_id))
        plan_id = integration.create_trade_plan_from_ai_signal(signal_id)

Every method guarantees:

* A record that cannot be stored exactly is refused with an InvalidRecordError, which names record,
  field, value and reason, before anything is sent. Nothing is rounded.
* A call is stored wholly or not at all, and once. If the connection is lost, the server restarts or
sessions collide, the call is repeated until its deadline, under keys or ids that prevent storing
twice.
* An error says whether anything was stored: after any StoreError nothing was; OutcomeUnknownError
  comes only where the connection was lost during a commit and did not come back in time.

Ids are positive integers; a key of the platform's patterns or plans is an integer, a text or a
UUID, as its tables have it. Times are timezone-aware; prices are Decimals of at most 18 decimals in
the symbol's quote currency; a confidence is in 0..1. ``at`` is the time that a call uses as the
present, by default the database's clock. The functions in the database that do the work are
documented in ``migrations/``; modules in other languages call them with SQL.
"""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import AsyncIterator, Iterable, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from datetime import datetime, timedelta
from typing import Any, LiteralString, Self, TypeVar

import psycopg
from psycopg.pq import TransactionStatus
from psycopg.rows import TupleRow, dict_row
from psycopg_pool import PoolClosed, PoolTimeout

from runner.client import operations
from runner.client.errors import (
    NotStoredError,
    OutcomeUnknownError,
    is_lost,
    is_transient,
)
from runner.client.operations import Operation, Query, Script
from runner.client.pools import AsyncConnectionType, AsyncPools, Pools
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
from runner.errors import UsageError
from runner.servers.database import Connection

T = TypeVar("T")

DEADLINE_SECONDS = 30.0

# A caller asks the pool again after this time: a pool stops replacing connections by itself, and
# tries again when asked.
_ASK_AGAIN_SECONDS = 2.0
_SHORTEST_PAUSE_SECONDS = 0.02
_LONGEST_PAUSE_SECONDS = 1.0


class AITradingIntegration:
    """Everything that an AI module writes, for use from any number of threads.

    Args:
        pools: open pools; the trading pool is written through, the analytics pool read from.
        deadline_seconds: how long a call is repeated after temporary failures.

    Raises (any method):
        InvalidRecordError: an argument cannot be stored as it is.
        StoreError: the database refuses it; the subclass says why, if a caller can act on it.
        NotStoredError: the database could not be used before the deadline, and nothing is stored.
        OutcomeUnknownError: see the module.
    """

    def __init__(self, pools: Pools, *, deadline_seconds: float = DEADLINE_SECONDS) -> None:
        self._pools: Pools | None = pools
        self._connection: Connection | None = None
        self._deadline_seconds = deadline_seconds

    @classmethod
    def inside(cls, connection: Connection) -> Self:
        """An instance that writes on a caller's connection, in its transaction if one is open.

        No call is repeated: a failed call is rolled back to its beginning, and an open transaction
        goes on. Without an open transaction, each call is one. Role and timeouts are the
        connection's.
        """
        made = cls.__new__(cls)
        made._pools, made._connection, made._deadline_seconds = None, connection, 0.0
        return made

    def register_model(self, model: Model, *, at: datetime | None = None) -> int:
        """Id of a model version, registered now (or ``at``) unless it was before.

        Config and time stay as at the first registration. Raises ModelConflictError where the name
        and version belong to another model_type.
        """
        return self._run(operations.register_model(model, at))

    def model_artifact(self, model_name: str, version: str) -> bytes | None:
        """What the training of a version made; None if nothing was stored for it."""
        return self._run(operations.model_artifact(model_name, version))

    def last_training_number(self, model_id: int) -> int:
        """Number of the model's last episode or generation; 0 before the first."""
        return self._run(operations.last_training_number(model_id))

    def store_ai_signal(self, signal: Signal) -> int:
        """Store a signal and return its id.

        ``model_id`` must be set. If any caller stores again under the same idempotency key, the
        first signal's id is returned; IdempotencyConflictError if the first signal is of another
        model, symbol or type. Without a key the call makes one, so its own retries store once.
        """
        return self._run(operations.store_signal(signal))

    def store_ai_signals(self, signals: Iterable[Signal]) -> list[int]:
        """Store up to 100,000 signals, all or none; return their ids, in order.

        A signal whose idempotency key is stored already keeps its first id, as in
        :meth:`store_ai_signal`. The error names the offending signal by its place, from 0.
        """
        return self._run(operations.StoreSignals(signals))

    def find_signals(self, idempotency_keys: Sequence[str]) -> dict[str, int]:
        """Ids of the signals that are stored under these keys, by key."""
        return self._run(operations.find_signals(idempotency_keys))

    def find_related_pattern(
        self, symbol: str, at: datetime, *, within: timedelta | None = None
    ) -> RelatedPattern | None:
        """The symbol's latest pattern known at ``at``, never a later one.

        None if there is no pattern, or none within the last ``within``. Raises PlatformTableError
        where the platform has no micro_patterns.
        """
        return self.find_related_patterns([(symbol, at)], within=within)[0]

    def find_related_patterns(
        self, asked: Sequence[tuple[str, datetime]], *, within: timedelta | None = None
    ) -> list[RelatedPattern | None]:
        """The latest known patterns for many symbols and times at once, in order."""
        return self._run(operations.find_related_patterns(asked, within))

    def create_trade_plan_from_ai_signal(
        self, signal_id: int, *, at: datetime | None = None
    ) -> PlatformKey:
        """Make the platform's trade plan of a signal, once, and return the plan's id.

        The signal is EXECUTED and linked in the same transaction; every other call for it, at the
        same time or later, returns the same plan. Raises UnknownSignalError, HoldSignalError,
        ExpiredSignalError, ExecutedSignalError (executed without a plan), ShadowSignalError,
        PlanRefusedError, PlatformTableError.
        """
        return self._run(operations.create_trade_plan(signal_id, at))

    def record_execution(
        self,
        signal_id: int,
        *,
        trade_plan_id: PlatformKey | None = None,
        at: datetime | None = None,
    ) -> bool:
        """Record that a signal was executed, with a plan of the platform's or without one.

        Returns whether the signal was not yet recorded as executed. Raises InvalidRecordError for a
        plan that the platform does not have, UnknownSignalError, HoldSignalError,
        ExpiredSignalError (it had expired by ``at``), ExecutedSignalError (otherwise executed),
        ShadowSignalError.
        """
        return self._run(operations.record_execution(signal_id, trade_plan_id, at))

    def expire_due_signals(
        self, *, at: datetime | None = None, model_ids: Sequence[int] | None = None
    ) -> int:
        """Mark active signals past their validity as expired, of all models or of these.

        Returns their number; after a lost connection, the number of the last attempt.
        """
        return self._run(operations.expire_signals(at, model_ids))

    def store_episode(self, model_id: int, episode: Episode) -> int:
        """Store a training episode and return its id.

        Raises DuplicateRecordError where the model has an episode of this number.
        """
        return self._run(operations.store_episode(model_id, episode))[0]

    def store_episodes(self, model_id: int, episodes: Iterable[Episode]) -> list[int]:
        """Store up to 100,000 episodes, all or none; return their ids, in order."""
        return self._run(operations.store_episodes(model_id, episodes))

    def store_generation(self, model_id: int, generation: Generation) -> int:
        """Store a generation and return its id.

        Raises DuplicateRecordError where the model has a generation of this number.
        """
        return self._run(operations.store_generation(model_id, generation))[0]

    def store_generations(self, model_id: int, generations: Iterable[Generation]) -> list[int]:
        """Store up to 100,000 generations, all or none; return their ids, in order."""
        return self._run(operations.store_generations(model_id, generations))

    def store_spectrum_result(self, model_id: int, result: SpectrumResult) -> int:
        """Store a spectral analysis and return its id."""
        return self._run(operations.store_spectrum_result(model_id, result))[0]

    def store_spectrum_results(self, model_id: int, results: Iterable[SpectrumResult]) -> list[int]:
        """Store up to 100,000 spectral analyses, all or none; return their ids, in order."""
        return self._run(operations.store_spectrum_results(model_id, results))

    def store_market_bars(self, bars: Iterable[Bar]) -> int:
        """Store up to 100,000 closed bars, all or none; return how many were not there before.

        A bar that is stored already stays as it is. After a lost connection, bars stored by an
        earlier attempt count as stored already. Raises StoreError if market_bars is the platform's
        own.
        """
        return self._run(operations.StoreBars(bars))

    def import_model(self, model: Model) -> int:
        """Id of the model version of an old store's rows, registered now unless it was before.

        Unlike :meth:`register_model` it leaves a version that is not active as it is. Raises
        ModelConflictError where the name and version belong to another model_type.
        """
        return self._run(operations.import_model(model))

    def import_rows(self, table: str, source_name: str, entries: Sequence[str]) -> dict[str, str]:
        """Import rows of an old store, all or none; return the outcome of each row by its key.

        ``entries`` are JSON texts as ``import_ai_rows`` in the migrations takes them; the outcomes
        are listed there as well. Raises RowsRefusedError if a row is refused.
        """
        return self._run(operations.import_rows(table, source_name, entries))

    def read(
        self, query: LiteralString, parameters: Sequence[Any] | None = None
    ) -> list[dict[str, Any]]:
        """Rows of a query on the marts, from the replica, through the analytics pool.

        Raises UsageError without an analytics pool, psycopg.Error for a wrong query.
        """
        if self._pools is None or self._pools.analytics is None:
            raise UsageError(_NO_ANALYTICS)
        with (
            self._pools.analytics.connection() as connection,
            connection.cursor(row_factory=dict_row) as cursor,
        ):
            return cursor.execute(query, parameters).fetchall()

    def _run(self, operation: Operation[T]) -> T:
        effort = _Effort(operation, self._deadline_seconds, may_retry=self._pools is not None)
        while True:
            try:
                with self._leased(effort) as connection:
                    return _perform(connection, operation, effort)
            except (psycopg.Error, PoolTimeout) as error:
                pause = effort.pause_after(error)
            time.sleep(pause)

    @contextmanager
    def _leased(self, effort: _Effort) -> Iterator[Connection]:
        if self._connection is not None:
            yield self._connection
            return
        assert self._pools is not None, "there is a connection or there are pools"  # noqa: S101
        pool = self._pools.trading
        if effort.lost_connections:
            # The pool's other connections are probably dead too: each would cost an attempt.
            pool.check()
        with pool.connection(timeout=effort.patience(pool.timeout)) as connection:
            yield connection


class AsyncAITradingIntegration:
    """:class:`AITradingIntegration` for asyncio: the same methods, to be awaited."""

    def __init__(self, pools: AsyncPools, *, deadline_seconds: float = DEADLINE_SECONDS) -> None:
        self._pools: AsyncPools | None = pools
        self._connection: AsyncConnectionType | None = None
        self._deadline_seconds = deadline_seconds

    @classmethod
    def inside(cls, connection: AsyncConnectionType) -> Self:
        """As :meth:`AITradingIntegration.inside`."""
        made = cls.__new__(cls)
        made._pools, made._connection, made._deadline_seconds = None, connection, 0.0
        return made

    async def register_model(self, model: Model, *, at: datetime | None = None) -> int:
        """As :meth:`AITradingIntegration.register_model`."""
        return await self._run(operations.register_model(model, at))

    async def model_artifact(self, model_name: str, version: str) -> bytes | None:
        """As :meth:`AITradingIntegration.model_artifact`."""
        return await self._run(operations.model_artifact(model_name, version))

    async def last_training_number(self, model_id: int) -> int:
        """As :meth:`AITradingIntegration.last_training_number`."""
        return await self._run(operations.last_training_number(model_id))

    async def store_ai_signal(self, signal: Signal) -> int:
        """As :meth:`AITradingIntegration.store_ai_signal`."""
        return await self._run(operations.store_signal(signal))

    async def store_ai_signals(self, signals: Iterable[Signal]) -> list[int]:
        """As :meth:`AITradingIntegration.store_ai_signals`."""
        return await self._run(operations.StoreSignals(signals))

    async def find_signals(self, idempotency_keys: Sequence[str]) -> dict[str, int]:
        """As :meth:`AITradingIntegration.find_signals`."""
        return await self._run(operations.find_signals(idempotency_keys))

    async def find_related_pattern(
        self, symbol: str, at: datetime, *, within: timedelta | None = None
    ) -> RelatedPattern | None:
        """As :meth:`AITradingIntegration.find_related_pattern`."""
        return (await self.find_related_patterns([(symbol, at)], within=within))[0]

    async def find_related_patterns(
        self, asked: Sequence[tuple[str, datetime]], *, within: timedelta | None = None
    ) -> list[RelatedPattern | None]:
        """As :meth:`AITradingIntegration.find_related_patterns`."""
        return await self._run(operations.find_related_patterns(asked, within))

    async def create_trade_plan_from_ai_signal(
        self, signal_id: int, *, at: datetime | None = None
    ) -> PlatformKey:
        """As :meth:`AITradingIntegration.create_trade_plan_from_ai_signal`."""
        return await self._run(operations.create_trade_plan(signal_id, at))

    async def record_execution(
        self,
        signal_id: int,
        *,
        trade_plan_id: PlatformKey | None = None,
        at: datetime | None = None,
    ) -> bool:
        """As :meth:`AITradingIntegration.record_execution`."""
        return await self._run(operations.record_execution(signal_id, trade_plan_id, at))

    async def expire_due_signals(
        self, *, at: datetime | None = None, model_ids: Sequence[int] | None = None
    ) -> int:
        """As :meth:`AITradingIntegration.expire_due_signals`."""
        return await self._run(operations.expire_signals(at, model_ids))

    async def store_episode(self, model_id: int, episode: Episode) -> int:
        """As :meth:`AITradingIntegration.store_episode`."""
        return (await self._run(operations.store_episode(model_id, episode)))[0]

    async def store_episodes(self, model_id: int, episodes: Iterable[Episode]) -> list[int]:
        """As :meth:`AITradingIntegration.store_episodes`."""
        return await self._run(operations.store_episodes(model_id, episodes))

    async def store_generation(self, model_id: int, generation: Generation) -> int:
        """As :meth:`AITradingIntegration.store_generation`."""
        return (await self._run(operations.store_generation(model_id, generation)))[0]

    async def store_generations(
        self, model_id: int, generations: Iterable[Generation]
    ) -> list[int]:
        """As :meth:`AITradingIntegration.store_generations`."""
        return await self._run(operations.store_generations(model_id, generations))

    async def store_spectrum_result(self, model_id: int, result: SpectrumResult) -> int:
        """As :meth:`AITradingIntegration.store_spectrum_result`."""
        return (await self._run(operations.store_spectrum_result(model_id, result)))[0]

    async def store_spectrum_results(
        self, model_id: int, results: Iterable[SpectrumResult]
    ) -> list[int]:
        """As :meth:`AITradingIntegration.store_spectrum_results`."""
        return await self._run(operations.store_spectrum_results(model_id, results))

    async def store_market_bars(self, bars: Iterable[Bar]) -> int:
        """As :meth:`AITradingIntegration.store_market_bars`."""
        return await self._run(operations.StoreBars(bars))

    async def import_model(self, model: Model) -> int:
        """As :meth:`AITradingIntegration.import_model`."""
        return await self._run(operations.import_model(model))

    async def import_rows(
        self, table: str, source_name: str, entries: Sequence[str]
    ) -> dict[str, str]:
        """As :meth:`AITradingIntegration.import_rows`."""
        return await self._run(operations.import_rows(table, source_name, entries))

    async def read(
        self, query: LiteralString, parameters: Sequence[Any] | None = None
    ) -> list[dict[str, Any]]:
        """As :meth:`AITradingIntegration.read`."""
        if self._pools is None or self._pools.analytics is None:
            raise UsageError(_NO_ANALYTICS)
        async with (
            self._pools.analytics.connection() as connection,
            connection.cursor(row_factory=dict_row) as cursor,
        ):
            await cursor.execute(query, parameters)
            return await cursor.fetchall()

    async def _run(self, operation: Operation[T]) -> T:
        effort = _Effort(operation, self._deadline_seconds, may_retry=self._pools is not None)
        while True:
            try:
                async with self._leased(effort) as connection:
                    return await _perform_async(connection, operation, effort)
            except (psycopg.Error, PoolTimeout) as error:
                pause = effort.pause_after(error)
            await asyncio.sleep(pause)

    @asynccontextmanager
    async def _leased(self, effort: _Effort) -> AsyncIterator[AsyncConnectionType]:
        if self._connection is not None:
            yield self._connection
            return
        assert self._pools is not None, "there is a connection or there are pools"  # noqa: S101
        pool = self._pools.trading
        if effort.lost_connections:
            await pool.check()
        async with pool.connection(timeout=effort.patience(pool.timeout)) as connection:
            yield connection


_NO_ANALYTICS = "there is no analytics pool: give Pools the replica, or set REPLICA_URL"


# --- one operation, on a connection of either kind ---------------------------------------------


class _Effort:
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


def _perform(connection: Connection, operation: Operation[T], effort: _Effort) -> T:
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


async def _perform_async(
    connection: AsyncConnectionType, operation: Operation[T], effort: _Effort
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
