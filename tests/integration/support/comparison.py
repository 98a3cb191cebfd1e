"""Two builds of the same marts, row for row."""

from __future__ import annotations

from typing import Any

from landscapes import Landscape
from lots import Fill, first_in_first_out
from psycopg import sql

from runner.servers.database import Connection

# Columns with a build's time, and the books that a full refresh leaves alone.
LEFT_OUT = ("ensemble_publications", "ensemble_revisions")
SCHEMAS = ("staging", "intermediate", "performance", "ensemble", "training")


def differing_models(connection: Connection, prefix: str) -> dict[str, tuple[int, int]]:
    """Tables whose rows differ between the marts and those in schemas with the prefix.

    For each, the number of rows that only one and only the other side has. Values written
    differently differ, such as 1.0 and 1.00. A double is written with all significant digits.
    Rejected rows and their reasons are compared as well, but not first_seen_at.
    """
    tables = connection.execute(
        "select schemaname, tablename from pg_tables where schemaname = any(%s) order by 1, 2",
        (list(SCHEMAS),),
    ).fetchall()
    found = {}
    for schema, table in [*tables, ("changes", "rejected_rows")]:
        if table in LEFT_OUT:
            continue
        ours, theirs = _sides(connection, prefix, schema, table)
        counts = connection.execute(
            sql.SQL(
                "select (select count(*) from ({0} except all {1}) as ours),"
                " (select count(*) from ({1} except all {0}) as theirs)"
            ).format(ours, theirs)
        ).fetchone()
        assert counts is not None
        if any(counts):
            found[f"{schema}.{table}"] = (counts[0], counts[1])
    return found


def differing_rows(connection: Connection, prefix: str, model: str) -> list[str]:
    """Some rows that only the first (``-``) or only the second (``+``) table of a model has."""
    ours, theirs = _sides(connection, prefix, *model.split("."))
    rows = connection.execute(
        sql.SQL(
            "(select '-', row_to_json(r)::text from ({0} except all {1}) as r order by 2 limit 5)"
            " union all"
            " (select '+', row_to_json(r)::text from ({1} except all {0}) as r order by 2 limit 5)"
        ).format(ours, theirs)
    ).fetchall()
    return [f"{sign} {row}" for sign, row in rows]


def _sides(
    connection: Connection, prefix: str, schema: str, table: str
) -> tuple[sql.Composed, sql.Composed]:
    """The queries of a model's rows, as text: those of the marts, and those with the prefix."""
    columns = _columns(connection, schema, table)
    ours, theirs = (
        sql.SQL("select {} from {}").format(columns, sql.Identifier(name, table))
        for name in (schema, f"{prefix}_{schema}")
    )
    return ours, theirs


def _columns(connection: Connection, schema: str, table: str) -> sql.Composed:
    columns = connection.execute(
        "select column_name from information_schema.columns"
        " where table_schema = %s and table_name = %s and column_name <> 'first_seen_at'"
        " order by column_name",
        (schema, table),
    ).fetchall()
    return sql.SQL(", ").join(
        sql.SQL("{0}::text as {0}").format(sql.Identifier(name)) for (name,) in columns
    )


def assert_lots_are_those_of_a_loop(landscape: Landscape) -> None:
    """Within each account, currency and symbol."""
    fills: list[tuple[Any, ...]] = landscape.on_replica(
        "select order_id, trade_plan_id, account, currency, symbol, side, quantity, filled_at"
        " from intermediate.int_fills"
    )
    closed = landscape.on_replica(
        "select buy_order_id, sell_order_id, quantity from intermediate.int_lots_closed"
    )
    found = {(buy, sell): quantity for buy, sell, quantity in closed}
    assert found == first_in_first_out(Fill(*fill) for fill in fills)
