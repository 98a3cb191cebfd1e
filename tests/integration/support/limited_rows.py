"""A row of each table that a module writes, with any value in it, and which limit refuses it."""

from __future__ import annotations

import psycopg

from runner.servers.database import Connection

# What a column must hold that its type alone does not tell.
_WORDS = {
    "model_id": "(select min(id) from ai_models)",
    "model_type": "'sparse_spectrum'",
    "signal_type": "'BUY'",
    "analysis_type": "'fourier'",
    "dominant_frequencies": "'[]'",
    "timeframe": "'1h'",
}
_VALUES = {
    "text": "'n'",
    "jsonb": "'{}'",
    "bytea": "''",
    "timestamp with time zone": "'2025-01-01Z'",
}


def written_tables(connection: Connection) -> list[str]:
    """Our tables on a primary that a module fills, by itself or by our functions.

    Stages are written by who deploys, edits of signals by a trigger.
    """
    rows = connection.execute(
        "select relname::text from pg_class where relnamespace = 'public'::regnamespace"
        " and relkind = 'r' and pg_get_userbyid(relowner) = 'migrator'"
        " and (has_any_column_privilege('ai_writer', oid, 'insert')"
        " or has_any_column_privilege('ai_functions', oid, 'insert'))"
        " and relname not in ('ai_model_stages', 'ai_signal_edits') order by 1"
    ).fetchall()
    return [table for (table,) in rows]


def insertion(connection: Connection, table: str, changes: dict[str, str]) -> str:
    """INSERT of a row with what it must have, and some values of its own, as SQL."""
    required = connection.execute(
        "select attname::text, format_type(atttypid, null) from pg_attribute"
        " where attrelid = %s::regclass and attnum > 0 and attnotnull and not atthasdef"
        " and attidentity = '' order by attnum",
        (table,),
    ).fetchall()
    row = {name: _WORDS.get(name) or _VALUES.get(data_type, "1") for name, data_type in required}
    row |= changes
    return f"insert into {table} ({', '.join(row)}) values ({', '.join(row.values())})"


def refused_column(connection: Connection, statement: str) -> str | None:
    """The column whose limit refuses the statement; None where none does, whatever else may."""
    try:
        with connection.transaction(force_rollback=True):
            connection.execute(statement)
    except psycopg.errors.CheckViolation as error:
        is_limit = "is beyond its limit: " in (error.diag.message_primary or "")
        return error.diag.column_name if is_limit else None
    except psycopg.IntegrityError:
        return None
    return None
