"""What an index costs each row that is inserted.

Blocks and time are those of a table like the scratch copy, bytes of the log those of a smaller one
that is logged, in a schema of its own, in the same transaction.
"""

from __future__ import annotations

import statistics
from dataclasses import replace
from typing import Any

import psycopg
from psycopg import sql

from runner.advice.proof import InsertCost, Inserted
from runner.advice.replays import blocks
from runner.advice.scratch import Copy, Index, add_index
from runner.servers.database import Connection

AT_MOST = 500
"""So many rows are inserted at a time."""

TIMES = 3
"""So often rows are inserted in either way, by turns."""

LOGGED_ROWS = 10_000
"""The table that is logged has so many rows: a crash of the server would leave its files behind."""


def measured(scratch: Connection, copy: Copy, index: Index) -> Inserted | None:
    """What the last rows of a copy take; None where it has too few."""
    rows = min(AT_MOST, copy.rows // (20 * TIMES))
    if not rows:
        return None
    costs = _by_turns(scratch, copy, index, rows, copy.rows, "pg_temp")
    schema = f"signal_marts_proof_{scratch.info.backend_pid}"
    try:
        logged = _by_turns(scratch, copy, index, rows, LOGGED_ROWS, schema)
    except psycopg.errors.InsufficientPrivilege:
        logged = [replace(cost, wal_bytes=None) for cost in costs]
    return Inserted(
        rows,
        *(
            replace(cost, wal_bytes=of_log.wal_bytes)
            for cost, of_log in zip(costs, logged, strict=True)
        ),
    )


def _by_turns(
    scratch: Connection, copy: Copy, index: Index, rows: int, of_last: int, schema: str
) -> list[InsertCost]:
    """The cost of the last rows without the index and with it, in a table of rows before them.

    Each row is inserted once: where it was before, a unique index would look at the dead one.
    """
    sets = 2 * TIMES

    def run(statement: str, **places: sql.Composable) -> psycopg.Cursor[Any]:
        return scratch.execute(
            sql.SQL(statement).format(
                schema=sql.Identifier(schema),
                table=sql.Identifier(schema, "signal_marts_inserted"),
                held=sql.Identifier("pg_temp", "signal_marts_held"),
                copy=copy.identifier,
                **places,
            )
        )

    def place(last: int) -> sql.Literal:
        """Where so many of the last rows begin."""
        ((found,),) = run(
            "select min(ctid)::text from (select ctid from {copy} order by ctid desc limit {last})"
            " as rows_at_end",
            last=sql.Literal(last),
        ).fetchall()
        return sql.Literal(found)

    def cost(number: int, *, is_without: bool) -> InsertCost:
        with scratch.transaction(force_rollback=True):
            if is_without:
                run("drop index {schema}.signal_marts_index")
            ((told,),) = run(
                "explain (analyze, buffers, wal, timing off, format json)"
                " insert into {table} select {columns} from {held}"
                " where _number % {sets} = {number}",
                columns=sql.SQL(", ").join(map(sql.Identifier, copy.table.column_names)),
                sets=sql.Literal(sets),
                number=sql.Literal(number),
            ).fetchall()
        plan: dict[str, Any] = told[0]["Plan"]
        return InsertCost(
            (blocks(plan) - blocks(plan["Plans"][0])) / rows,
            told[0]["Execution Time"] / rows,
            plan["WAL Bytes"] / rows,
        )

    with scratch.transaction(force_rollback=True):
        if schema == "pg_temp":
            run("create temporary table signal_marts_inserted (like {copy})")
        else:
            run("create schema {schema}")
            run("create table {table} (like {copy})")
        first, held_first = place(of_last), place(sets * rows)
        run(
            "insert into {table} select * from {copy}"
            " where ctid >= {first}::tid and ctid < {held_first}::tid",
            first=first,
            held_first=held_first,
        )
        run(
            "create temporary table signal_marts_held as"
            " select *, row_number() over (order by ctid) as _number from {copy}"
            " where ctid >= {held_first}::tid",
            held_first=held_first,
        )
        for number, each in enumerate(copy.table.made_indexes):
            name = "signal_marts_index" if each.name == index.name else f"signal_marts_{number}"
            add_index(
                scratch, sql.Identifier(schema, "signal_marts_inserted"), replace(each, name=name)
            )
        with_index, without = [], []
        for number in range(0, sets, 2):
            with_index.append(cost(number, is_without=False))
            without.append(cost(number + 1, is_without=True))
    return [_typical(without), _typical(with_index)]


def _typical(times: list[InsertCost]) -> InsertCost:
    return InsertCost(
        statistics.median(each.blocks for each in times),
        statistics.median(each.milliseconds for each in times),
        statistics.median(each.wal_bytes or 0 for each in times),
    )
