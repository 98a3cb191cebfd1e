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
import inspect
import time
from collections.abc import AsyncIterator, Callable, Coroutine, Iterable, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from datetime import datetime, timedelta
from typing import Any, Concatenate, LiteralString, ParamSpec, Self, TypeVar

import psycopg
from psycopg.rows import dict_row
from psycopg_pool import PoolTimeout

from runner.client import operations, record_operations
from runner.client.efforts import Effort, perform, perform_async
from runner.client.operation import Operation
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
from runner.client.validation import EPISODES, GENERATIONS, SPECTRA
from runner.errors import UsageError
from runner.servers.database import Connection

P = ParamSpec("P")
T = TypeVar("T")

DEADLINE_SECONDS = 30.0


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
        return self._run(operations.register_model(model, at=at))

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
        return self._run(operations.find_related_patterns(asked, within=within))

    def create_trade_plan_from_ai_signal(
        self, signal_id: int, *, at: datetime | None = None
    ) -> PlatformKey:
        """Make the platform's trade plan of a signal, once, and return the plan's id.

        The signal is EXECUTED and linked in the same transaction; every other call for it, at the
        same time or later, returns the same plan. Raises UnknownSignalError, HoldSignalError,
        ExpiredSignalError, ExecutedSignalError (executed without a plan), ShadowSignalError,
        PlanRefusedError, PlatformTableError.
        """
        return self._run(operations.create_trade_plan(signal_id, at=at))

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
        return self._run(operations.record_execution(signal_id, trade_plan_id=trade_plan_id, at=at))

    def expire_due_signals(
        self, *, at: datetime | None = None, model_ids: Sequence[int] | None = None
    ) -> int:
        """Mark active signals past their validity as expired, of all models or of these.

        Returns their number; after a lost connection, the number of the last attempt.
        """
        return self._run(operations.expire_signals(at=at, model_ids=model_ids))

    def store_episode(self, model_id: int, episode: Episode) -> int:
        """Store a training episode and return its id.

        Raises DuplicateRecordError where the model has an episode of this number.
        """
        return self._run(record_operations.store_record(EPISODES, model_id, episode))[0]

    def store_episodes(self, model_id: int, episodes: Iterable[Episode]) -> list[int]:
        """Store up to 100,000 episodes, all or none; return their ids, in order."""
        return self._run(record_operations.store_records(EPISODES, model_id, episodes))

    def store_generation(self, model_id: int, generation: Generation) -> int:
        """Store a generation and return its id.

        Raises DuplicateRecordError where the model has a generation of this number.
        """
        return self._run(record_operations.store_record(GENERATIONS, model_id, generation))[0]

    def store_generations(self, model_id: int, generations: Iterable[Generation]) -> list[int]:
        """Store up to 100,000 generations, all or none; return their ids, in order."""
        return self._run(record_operations.store_records(GENERATIONS, model_id, generations))

    def store_spectrum_result(self, model_id: int, result: SpectrumResult) -> int:
        """Store a spectral analysis and return its id."""
        return self._run(record_operations.store_record(SPECTRA, model_id, result))[0]

    def store_spectrum_results(self, model_id: int, results: Iterable[SpectrumResult]) -> list[int]:
        """Store up to 100,000 spectral analyses, all or none; return their ids, in order."""
        return self._run(record_operations.store_records(SPECTRA, model_id, results))

    def store_market_bars(self, bars: Iterable[Bar]) -> int:
        """Store up to 100,000 closed bars, all or none; return how many were not there before.

        A bar that is stored already stays as it is. After a lost connection, bars stored by an
        earlier attempt count as stored already. Raises StoreError if market_bars is the platform's
        own.
        """
        return self._run(record_operations.StoreBars(bars))

    def import_model(self, model: Model) -> int:
        """Id of the model version of an old store's rows, registered now unless it was before.

        Unlike :meth:`register_model` it leaves a version that is not active as it is. Raises
        ModelConflictError where the name and version belong to another model_type.
        """
        return self._run(record_operations.import_model(model))

    def import_rows(self, table: str, source_name: str, entries: Sequence[str]) -> dict[str, str]:
        """Import rows of an old store, all or none; return the outcome of each row by its key.

        ``entries`` are JSON texts as ``import_ai_rows`` in the migrations takes them; the outcomes
        are listed there as well. Raises RowsRefusedError if a row is refused.
        """
        return self._run(record_operations.import_rows(table, source_name, entries))

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
        effort = Effort(operation, self._deadline_seconds, may_retry=self._pools is not None)
        while True:
            try:
                with self._leased(effort) as connection:
                    return perform(connection, operation, effort)
            except (psycopg.Error, PoolTimeout) as error:
                pause = effort.pause_after(error)
            time.sleep(pause)

    @contextmanager
    def _leased(self, effort: Effort) -> Iterator[Connection]:
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


def _awaited(
    make: Callable[P, Operation[T]],
) -> Callable[Concatenate[AsyncAITradingIntegration, P], Coroutine[Any, Any, T]]:
    """The method that runs the operations that ``make`` returns."""

    async def method(self: AsyncAITradingIntegration, /, *args: P.args, **kwargs: P.kwargs) -> T:
        return await self._run(make(*args, **kwargs))

    return method


def _told_as_the_other(of: type[AsyncAITradingIntegration]) -> type[AsyncAITradingIntegration]:
    """Let help and errors name each method as that of the same name of AITradingIntegration."""
    for name, method in vars(of).items():
        if inspect.iscoroutinefunction(method) and not name.startswith("_"):
            other, told = getattr(AITradingIntegration, name), vars(method)
            method.__name__, method.__qualname__ = name, f"{of.__name__}.{name}"
            method.__doc__, told["__signature__"] = other.__doc__, inspect.signature(other)
    return of


@_told_as_the_other
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

    register_model = _awaited(operations.register_model)
    model_artifact = _awaited(operations.model_artifact)
    last_training_number = _awaited(operations.last_training_number)
    store_ai_signal = _awaited(operations.store_signal)
    store_ai_signals = _awaited(operations.StoreSignals)
    find_signals = _awaited(operations.find_signals)
    find_related_patterns = _awaited(operations.find_related_patterns)
    create_trade_plan_from_ai_signal = _awaited(operations.create_trade_plan)
    record_execution = _awaited(operations.record_execution)
    expire_due_signals = _awaited(operations.expire_signals)
    store_market_bars = _awaited(record_operations.StoreBars)
    import_model = _awaited(record_operations.import_model)
    import_rows = _awaited(record_operations.import_rows)

    async def find_related_pattern(
        self, symbol: str, at: datetime, *, within: timedelta | None = None
    ) -> RelatedPattern | None:
        return (await self.find_related_patterns([(symbol, at)], within=within))[0]

    async def store_episodes(self, model_id: int, episodes: Iterable[Episode]) -> list[int]:
        return await self._run(record_operations.store_records(EPISODES, model_id, episodes))

    async def store_episode(self, model_id: int, episode: Episode) -> int:
        return (await self._run(record_operations.store_record(EPISODES, model_id, episode)))[0]

    async def store_generations(
        self, model_id: int, generations: Iterable[Generation]
    ) -> list[int]:
        return await self._run(record_operations.store_records(GENERATIONS, model_id, generations))

    async def store_generation(self, model_id: int, generation: Generation) -> int:
        return (await self._run(record_operations.store_record(GENERATIONS, model_id, generation)))[
            0
        ]

    async def store_spectrum_results(
        self, model_id: int, results: Iterable[SpectrumResult]
    ) -> list[int]:
        return await self._run(record_operations.store_records(SPECTRA, model_id, results))

    async def store_spectrum_result(self, model_id: int, result: SpectrumResult) -> int:
        return (await self._run(record_operations.store_record(SPECTRA, model_id, result)))[0]

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
        effort = Effort(operation, self._deadline_seconds, may_retry=self._pools is not None)
        while True:
            try:
                async with self._leased(effort) as connection:
                    return await perform_async(connection, operation, effort)
            except (psycopg.Error, PoolTimeout) as error:
                pause = effort.pause_after(error)
            await asyncio.sleep(pause)

    @asynccontextmanager
    async def _leased(self, effort: Effort) -> AsyncIterator[AsyncConnectionType]:
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
