"""Two pools of connections that never wait for each other: trading, and analytics.

A trading pool writes to the primary as ``ai_writer``; an analytics pool reads the marts on the
replica as ``bi_reader``, in sessions that cannot write. If its URL has a superuser, it uses a login
with the rights of ``bi_reader`` alone (``runner.servers.role_logins``). Each pool has its own size:
analysts who use all analytics connections never delay the storing of a signal.

The timeouts below are those of a pool's sessions. They guard against accidents: a session may
change them, and a client without a pool has the timeouts of its login (see
``limit_ai_writer_login`` in the migrations).
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any, Generic, Self, TypeVar

from psycopg import AsyncConnection, sql
from psycopg.rows import TupleRow
from psycopg_pool import AsyncConnectionPool, ConnectionPool

from runner import settings
from runner.errors import UsageError
from runner.servers import role_logins
from runner.servers.database import (
    LOST_HOST,
    SESSION,
    Connection,
    ConnectionFailedError,
    Database,
    session_options,
)
from runner.servers.deploy_lock import is_pooled

AsyncConnectionType = AsyncConnection[TupleRow]
P = TypeVar("P")

# How long a pool tries to replace a connection by itself, in seconds. It doubles its pauses, so
# after a long outage it would wait too long; the next request for a connection makes it try again.
_RECONNECT_SECONDS = 2.0


@dataclass(frozen=True, slots=True)
class PoolLimits:
    """Size, timeouts and role of a pool.

    Attributes:
        application_name: the name in ``pg_stat_activity``.
        role: role that a session sets; None keeps the login's own role.
        min_size: connections that are kept open.
        max_size: connections at most.
        wait_seconds: how long a caller waits for a connection while all are in use.
        statement_timeout_seconds: a statement that takes longer is cancelled.
        idle_in_transaction_seconds: a session that stops amid a transaction is ended.
        lock_timeout_seconds: a statement that waits longer for a lock fails.
        max_idle_seconds: a connection above ``min_size`` that is not used is closed.
        is_read_only: whether a session can write.
    """

    application_name: str
    role: str | None
    min_size: int = 1
    max_size: int = 4
    wait_seconds: float = 10.0
    statement_timeout_seconds: float = 30.0
    idle_in_transaction_seconds: float = 30.0
    lock_timeout_seconds: float = 5.0
    max_idle_seconds: float = 300.0
    is_read_only: bool = False

    def options(self) -> str:
        """The server's command-line options of a session."""
        return session_options(SESSION | self._settings("default_transaction_read_only"))

    def of_transaction(self) -> sql.Composed:
        """The same limits for one transaction, as statements at its beginning."""
        # Without settings that hold only for later transactions.
        of_session = {n: v for n, v in SESSION.items() if not n.startswith("default_")}
        return sql.SQL("; ").join(
            sql.SQL("set local {} = {}").format(sql.Identifier(name), sql.Literal(value))
            for name, value in (of_session | self._settings("transaction_read_only")).items()
        )

    def _settings(self, read_only: str) -> dict[str, str]:
        settings = {
            "statement_timeout": f"{self.statement_timeout_seconds * 1000:.0f}",
            "idle_in_transaction_session_timeout": f"{self.idle_in_transaction_seconds * 1000:.0f}",
            "lock_timeout": f"{self.lock_timeout_seconds * 1000:.0f}",
        }
        if self.role is not None:
            settings["role"] = self.role
        if self.is_read_only:
            settings[read_only] = "on"
        return settings


TRADING = PoolLimits("signal-marts trading", "ai_writer")
ANALYTICS = PoolLimits(
    "signal-marts analytics",
    "bi_reader",
    min_size=0,
    statement_timeout_seconds=60.0,
    is_read_only=True,
)


def _pool(database: Database, limits: PoolLimits) -> ConnectionPool[Connection]:
    return ConnectionPool(
        kwargs=partial(_own_parameters, database, limits), **_sizes(database, limits)
    )


def _async_pool(database: Database, limits: PoolLimits) -> AsyncConnectionPool[AsyncConnectionType]:
    async def parameters() -> dict[str, Any]:
        return await asyncio.to_thread(_own_parameters, database, limits)

    return AsyncConnectionPool(kwargs=parameters, **_sizes(database, limits))


class _Pair(Generic[P]):
    """A trading pool and perhaps an analytics pool, of either kind."""

    _make: Callable[[Database, PoolLimits], P]

    def __init__(
        self,
        trading: Database,
        analytics: Database | None = None,
        *,
        trading_limits: PoolLimits = TRADING,
        analytics_limits: PoolLimits = ANALYTICS,
    ) -> None:
        self.trading: P = self._make(trading, trading_limits)
        self.analytics: P | None = (
            None if analytics is None else self._make(analytics, analytics_limits)
        )

    @classmethod
    def from_environment(cls) -> Self:
        """Pools of PRIMARY_URL (or DATABASE_URL) and, where it is set, REPLICA_URL.

        Raises UsageError where there is no primary.
        """
        given = settings.load()
        primary = settings.revealed(given.primary_url)
        replica = settings.revealed(given.replica_url)
        if primary is None:
            raise UsageError("set PRIMARY_URL (or DATABASE_URL) to the primary's libpq URL")
        return cls(
            Database("primary", primary),
            None if replica is None else Database("replica", replica),
        )

    def _all(self) -> list[P]:
        return [pool for pool in (self.trading, self.analytics) if pool is not None]


class Pools(_Pair[ConnectionPool[Connection]]):
    """The two pools of a process, open from ``with Pools(...) as pools:`` on.

    Args:
        trading: the primary.
        analytics: the replica; None where the process reads no marts.
        trading_limits: of the trading pool.
        analytics_limits: of the analytics pool.

    Opening does not wait for a server; a request for a connection does.
    """

    _make = staticmethod(_pool)

    def __enter__(self) -> Self:
        for pool in self._all():
            pool.open()
        return self

    def __exit__(self, *error: object) -> None:
        for pool in self._all():
            pool.close()


class AsyncPools(_Pair[AsyncConnectionPool[AsyncConnectionType]]):
    """The two pools of a process on asyncio: ``async with AsyncPools(...) as pools:``."""

    _make = staticmethod(_async_pool)

    async def __aenter__(self) -> Self:
        for pool in self._all():
            await pool.open()
        return self

    async def __aexit__(self, *error: object) -> None:
        for pool in self._all():
            await pool.close()


def shared_pool(database: Database, limits: PoolLimits) -> ConnectionPool[Connection]:
    """A pool of :func:`shared_parameters`, not open yet."""
    return ConnectionPool(
        kwargs=partial(shared_parameters, database, limits), **_sizes(database, limits)
    )


def shared_parameters(database: Database, limits: PoolLimits) -> dict[str, Any]:
    """Parameters of a connection that a pooler in transaction mode may be in front of.

    Such a pooler refuses options, and passes a session's settings and prepared statements to other
    clients. So the session has no ``limits``: each transaction begins with
    ``limits.of_transaction()``.
    """
    return {**_parameters(database, limits), "prepare_threshold": None}


def _sizes(database: Database, limits: PoolLimits) -> Mapping[str, Any]:
    database.parameters()  # An invalid URL is reported at once, not at the first use.
    return {
        "name": limits.application_name,
        "min_size": limits.min_size,
        "max_size": limits.max_size,
        "timeout": limits.wait_seconds,
        "max_idle": limits.max_idle_seconds,
        "reconnect_timeout": _RECONNECT_SECONDS,
        "open": False,
    }


def _own_parameters(database: Database, limits: PoolLimits) -> dict[str, Any]:
    given = _parameters(database, limits)
    return {**given, "options": f"-c role=none {given.get('options', '')} {limits.options()}"}


def _parameters(database: Database, limits: PoolLimits) -> dict[str, Any]:
    return {
        **LOST_HOST,
        "connect_timeout": "5",
        **_in_login_of(limits.role, database).parameters(),
        "application_name": limits.application_name,
        "autocommit": True,
    }


def _in_login_of(role: str | None, database: Database) -> Database:
    """The URL with the login of a role; unchanged for a pooler, which has logins of its own.

    Called for each connection: while the server is away, connecting reports that itself.
    """
    if role not in role_logins.ROLES:
        return database
    try:
        with database.connect(autocommit=True) as connection:
            if is_pooled(connection):
                return database
            return role_logins.as_role_on(connection, database, role)
    except ConnectionFailedError:
        return database
