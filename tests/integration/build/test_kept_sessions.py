"""Sessions that dbt's models hand on are as new ones, and end with the build."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

import psycopg
import pytest
from dbt.adapters.contracts.connection import Connection, LazyHandle
from dbt.adapters.exceptions.connection import FailedToConnectError
from dbt.adapters.postgres.connections import PostgresConnectionManager, PostgresCredentials
from psycopg.conninfo import conninfo_to_dict

from runner.build.dbt_speed import without_waste
from runner.demo.embedded import EmbeddedPair

# dbt's classes check types of their own.
manager: Any = PostgresConnectionManager

# What a session still has of the one before.
_STATE = """
    select
        current_user::text,
        current_setting('statement_timeout'),
        to_regclass('pg_temp.of_before')::text,
        (select count(*) from pg_locks where pid = pg_backend_pid() and locktype = 'advisory')
"""


@pytest.fixture
def credentials(pair: EmbeddedPair) -> PostgresCredentials:
    url: dict[str, Any] = conninfo_to_dict(pair.urls().replica)
    given = {name: url[name] for name in ("host", "user")}
    given |= {"port": int(url["port"]), "password": "", "database": "postgres", "schema": "public"}
    return PostgresCredentials(**given, role="pg_monitor")


@contextmanager
def model(credentials: PostgresCredentials) -> Iterator[Any]:
    """The session of a model, as dbt opens and closes it."""
    connection = begun(credentials)
    try:
        yield connection.handle
    finally:
        manager.close(connection)


def begun(credentials: PostgresCredentials) -> Connection:
    given: dict[str, Any] = {"type": "postgres", "name": "a", "handle": LazyHandle(manager.open)}
    return Connection(**given, credentials=credentials)


def row(session: Any, statement: str) -> tuple[Any, ...]:
    cursor = session.cursor()
    cursor.execute(statement)
    found: tuple[Any, ...] = cursor.fetchone()
    return found


def test_a_session_is_as_new_for_the_next_model(credentials: PostgresCredentials) -> None:
    with without_waste():
        with model(credentials) as session:
            pid, new = session.info.backend_pid, row(session, _STATE)
            row(session, "select set_config('statement_timeout', '9s', false)")
            row(session, "select 1 from pg_advisory_lock(1)")
            session.cursor().execute("create temporary table of_before (a int)")
            session.commit()
            session.cursor().execute("set role none")  # in a transaction that is left open
            assert row(session, _STATE) != new
        with model(credentials) as session:
            assert (session.info.backend_pid, row(session, _STATE)) == (pid, new)
            assert new == ("pg_monitor", "0", None, 0)
            with pytest.raises(Exception, match="division by zero"):
                session.cursor().execute("select 1 / 0")
        with model(credentials) as session:
            assert session.info.backend_pid == pid
    assert session.closed


def test_a_session_that_was_lost_is_replaced(
    credentials: PostgresCredentials, pair: EmbeddedPair
) -> None:
    with without_waste():
        with model(credentials) as session:
            pid = session.info.backend_pid
        with psycopg.connect(pair.urls().replica) as admin:
            ended = admin.execute("select pg_terminate_backend(%s, 10000)", [pid]).fetchone()
        with model(credentials) as session:
            assert (ended, row(session, _STATE)[0]) == ((True,), "pg_monitor")
            assert session.info.backend_pid != pid


def test_a_session_that_another_thread_closes_is_not_kept(
    credentials: PostgresCredentials,
) -> None:
    """After an interrupt dbt closes the sessions of threads that are still at work."""
    with without_waste(), ThreadPoolExecutor() as threads:
        connection = begun(credentials)
        session = threads.submit(lambda: connection.handle).result()
        manager.close(connection)
        assert session.closed


def test_a_server_that_is_not_there_is_told(
    credentials: PostgresCredentials, unused_port: Callable[[], int]
) -> None:
    absent = credentials.replace(port=unused_port(), retries=0)
    with (
        without_waste(),
        pytest.raises(FailedToConnectError, match="Connection refused"),
        model(absent),
    ):
        pass
