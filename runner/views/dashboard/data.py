"""Cached rows of the marts, and the pool that reads them."""

from __future__ import annotations

from typing import Any

import psycopg
import streamlit as st
from psycopg_pool import ConnectionPool, PoolClosed, PoolTimeout

from runner import settings
from runner.client.pools import shared_pool
from runner.servers.database import Connection, Database
from runner.views.asked import Asked, parameters_of
from runner.views.dashboard.marts import (
    LIMITS,
    MartError,
    Row,
    UnreachableError,
    ask,
    connect,
    explain,
    reading,
    reading_database,
)

KEPT_SECONDS = 20
"""How long rows are kept for everyone who asks the same question."""


def rows(name: str, **parameters: Any) -> list[Row]:
    """The rows of ``sql/<name>.sql``, which takes the parameters that it names.

    Raise MartError if they cannot be read.
    """
    named = parameters_of(name)
    given = {key: value for key, value in parameters.items() if key in named}
    return _kept(reading_database(settings.load()), name, given)


def signals(asked: Asked, count: int, **filters: list[str] | None) -> list[Row]:
    """The newest signals, at most ``count``; ``filters`` are relations and signal_types."""
    given = {**asked.parameters(), "count": count, "relations": None, "signal_types": None}
    is_indexed = not asked.sources and not any(filters.values())
    return rows("newest_signals" if is_indexed else "signals", **given | filters)


@st.cache_data(ttl=KEPT_SECONDS, max_entries=1000, show_spinner=False)
def _kept(database: Database, name: str, parameters: dict[str, Any]) -> list[Row]:
    return _asked(database, name, parameters)


@st.cache_data(ttl=600, max_entries=20, show_spinner=False)
def _kept_long(database: Database) -> dict[str, str]:
    found = _asked(database, "descriptions", {})
    return {row["name"]: " ".join(row["description"].split()) for row in found}


def description(column: str) -> str | None:
    """The database's comment on ``schema.mart.column``; None without one."""
    try:
        return _kept_long(reading_database(settings.load())).get(column)
    except UnreachableError:
        raise  # Otherwise the page would wait again for each of its questions.
    except MartError:
        return None


def _asked(database: Database, name: str, parameters: dict[str, Any]) -> list[Row]:
    pool = _pool(database)
    try:
        return _once(pool, database, name, parameters)
    except psycopg.Error as error:
        told = explain(error, database)
    if told.is_passing:
        # Connections that died while unused, or a table that was just replaced.
        pool.check()
        try:
            return _once(pool, database, name, parameters)
        except psycopg.Error as error:
            told = explain(error, database)
    raise told.error


def _once(
    pool: ConnectionPool[Connection], database: Database, name: str, parameters: dict[str, Any]
) -> list[Row]:
    try:
        with pool.connection() as connection:
            try:
                with reading(connection):
                    return ask(connection, name, parameters)
            except UnreachableError:
                connection.close()  # A deploy may have made a new login meanwhile.
                raise
    except (PoolTimeout, PoolClosed):
        raise _why(database) from None


def _why(database: Database) -> UnreachableError:
    """The server's own error on a direct connection; the pool only reports that it waited."""
    try:
        with connect(database, LIMITS):
            pass
    except UnreachableError as error:
        return error
    return UnreachableError("all connections are in use", "this page tries again by itself")


@st.cache_resource(show_spinner=False)
def _pool(database: Database) -> ConnectionPool[Connection]:
    pool = shared_pool(database, LIMITS)
    pool.open()
    return pool
