"""Where a database has pg_stat_statements."""

from __future__ import annotations

from runner.servers.database import Connection, scalar


def statements_schema(connection: Connection) -> str | None:
    """The schema of the view pg_stat_statements; None where the extension is not there.

    Whoever may make a schema could put a view of this name into it: only the extension's counts.
    """
    schema: str | None = scalar(
        connection,
        "select n.nspname::text from pg_extension as e"
        " inner join pg_depend as d on d.refclassid = 'pg_extension'::regclass"
        " and d.refobjid = e.oid and d.classid = 'pg_class'::regclass and d.deptype = 'e'"
        " inner join pg_class as c on d.objid = c.oid"
        " inner join pg_namespace as n on c.relnamespace = n.oid"
        " where e.extname = 'pg_stat_statements' and c.relname = 'pg_stat_statements'",
    )
    return schema
