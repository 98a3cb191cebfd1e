"""Sessions that dbt's models hand on are as new ones, and end with the build."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from dbt.adapters.contracts.connection import Connection, LazyHandle
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
    given: dict[str, Any] = {"type": "postgres", "name": "a", "handle": LazyHandle(manager.open)}
    connection = Connection(**given, credentials=credentials)
    try:
        yield connection.handle
    finally:
        manager.close(connection)


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
        with model(credentials) as session, model(credentials) as other:
            assert session.info.backend_pid == pid != other.info.backend_pid
    assert session.closed
    assert other.closed


def test_a_session_that_was_lost_is_replaced(credentials: PostgresCredentials) -> None:
    with without_waste():
        with model(credentials) as session, model(credentials) as other:
            pid = session.info.backend_pid
            other.cursor().execute("set role none")
            ended = row(other, f"select pg_terminate_backend({pid}, 10000)")
        with model(credentials) as session:
            assert (ended, row(session, _STATE)[0]) == ((True,), "pg_monitor")
            assert session.info.backend_pid != pid
