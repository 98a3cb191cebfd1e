"""What a role may do, by trying it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import psycopg
from landscapes import Landscape
from psycopg import sql

from runner.servers.database import Connection


def gets_through(connection: Connection, role: str, statement: sql.Composed | sql.SQL) -> bool:
    try:
        with connection.transaction(force_rollback=True):
            connection.execute(sql.SQL("set local role {}").format(sql.Identifier(role)))
            connection.execute("set local lock_timeout = '2s'")
            connection.execute(statement)
    except psycopg.errors.InsufficientPrivilege:
        return False
    except psycopg.Error:
        # It was let through to be refused for what it says.
        return True
    return True


@contextmanager
def a_login(shared: Landscape, name: str, role: str | None = None) -> Iterator[Connection]:
    """A session on the primary of a login that is a member of this role alone."""
    login = f"{name}_of_{shared.primary.parameters()['dbname']}"
    shared.on_primary(f"create role {login} login" + (f" in role {role}" if role else ""))
    try:
        with shared.primary.connect(autocommit=True) as connection:
            connection.execute(f"set session authorization {login}")
            yield connection
    finally:
        shared.on_primary(f"drop role {login}")
