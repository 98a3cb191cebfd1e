"""Sessions of dbt that outlive the model that they were opened for.

dbt opens a session for each model and closes it after that. A new one takes some milliseconds, and
every one has to learn the catalog anew: half of what a small build costs. A watch keeps them.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, cast

if TYPE_CHECKING:
    from dbt.adapters.contracts.connection import Connection


@contextmanager
def warm_connections() -> Iterator[None]:
    """Let dbt, in this process, take sessions that it had closed before as new ones.

    Between two uses a session forgets all that was set or made in it. One that the server has ended
    is replaced. All are closed at the end. For one database at a time: the builds in the block must
    be on the same one.
    """
    import psycopg2  # type: ignore[import-untyped]
    from dbt.adapters.contracts.connection import ConnectionState
    from dbt.adapters.postgres.connections import PostgresConnectionManager as Manager

    manager: Any = Manager  # two of its methods are replaced
    idle: list[psycopg2.extensions.connection] = []
    open_anew, close_for_good = manager.open, manager._close_handle

    def open_(connection: Connection) -> Connection:
        while connection.state != ConnectionState.OPEN and idle:
            session = idle.pop()
            try:
                if connection.credentials.role:
                    with session.cursor() as cursor:
                        cursor.execute(f"set role {connection.credentials.role}")
            except psycopg2.Error:
                session.close()
            else:
                connection.handle = session
                connection.state = ConnectionState.OPEN
        return cast("Connection", open_anew(connection))

    def close(connection: Connection) -> None:
        session = connection.handle
        try:
            session.rollback()
            session.autocommit = True
            with session.cursor() as cursor:
                cursor.execute("discard all")
            session.autocommit = False
        except psycopg2.Error:
            close_for_good(connection)
        else:
            idle.append(session)

    manager.open, manager._close_handle = staticmethod(open_), staticmethod(close)
    try:
        yield
    finally:
        manager.open, manager._close_handle = open_anew, close_for_good
        for session in idle:
            session.close()
