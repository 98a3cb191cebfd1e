"""Statements as pg_stat_statements would tell them, and what a primary's calls touch."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from advised import take
from drills import eventually
from landscapes import Landscape
from psycopg import sql

from runner.advice import advice
from runner.advice.advice import Advice, advise
from runner.advice.prove import Prover
from runner.servers.database import Connection, Database
from runner.servers.role_logins import as_role


def arrived(landscape: Landscape) -> None:
    """All rows of the primary are on the replica."""
    eventually(lambda: not landscape.differences(), what="all rows on the replica")


def sampled(
    landscape: Landscape,
    *statements: str,
    days: int = 0,
    rows_per_call: int = 1,
    between: Callable[[], object] = lambda: None,
) -> None:
    """Two samples, between which the primary has run each statement 1,000 times, and more."""
    landscape.on_replica("truncate signal_marts.statement_texts")
    for calls in (0, 1000):
        if calls:
            between()
        take(landscape, days=days)
        with landscape.replica.connect() as connection:
            for number, text in enumerate(statements, start=1):
                connection.execute(
                    "insert into signal_marts.observed_statements (sample_id, side, role_name,"
                    " query_id, is_top_level, calls, seconds, row_count, blocks_hit, blocks_read,"
                    " blocks_dirtied, blocks_written, temp_blocks_written, wal_bytes,"
                    " counted_since, is_own_since)"
                    " select max(id), 'primary', 'postgres', %s, true, %s, %s, %s, 0, 0, 0, 0, 0,"
                    " 0, '2026-01-01Z', false from signal_marts.samples",
                    (number, calls, calls / number, calls * rows_per_call),
                )
                connection.execute(
                    "insert into signal_marts.statement_texts values ('primary', %s, %s)"
                    " on conflict do nothing",
                    (number, text),
                )


def proven(landscape: Landscape, rows: int = 200_000) -> Advice:
    """The advice with its proofs, on copies of at most so many rows."""
    replica = as_role(Database("replica", landscape.replica.url), "transformer")
    with replica.connect(autocommit=True, options=advice.OPTIONS) as connection:
        return advise(connection, prove=Prover(replica, lambda done, total, at: None, rows))


def touched(connection: Connection, statement: str, values: Sequence[Sequence[Any]]) -> float:
    """Blocks that a call touches on the primary, in the mean of some sets of values."""
    found: list[int] = []
    for each in values:
        text = statement
        for number, value in reversed([*enumerate(each, start=1)]):
            text = text.replace(f"${number}", sql.Literal(value).as_string(connection))
        with connection.transaction(force_rollback=True):
            ((told,),) = connection.execute(
                f"explain (analyze, buffers, format json) {text}".encode()
            ).fetchall()
        found.append(told[0]["Plan"]["Shared Hit Blocks"] + told[0]["Plan"]["Shared Read Blocks"])
    return sum(found) / len(found)


def touched_on(connection: Connection, table: str, statement: str) -> int:
    """Blocks of a table and its indexes that a statement touches, with what it sets off."""

    def counted() -> int:
        connection.execute("select pg_stat_force_next_flush()")
        ((blocks,),) = connection.execute(
            "select heap_blks_hit + heap_blks_read + coalesce(idx_blks_hit, 0)"
            " + coalesce(idx_blks_read, 0) from pg_statio_user_tables where relid = %s::regclass",
            (table,),
        ).fetchall()
        return int(blocks)

    before = counted()
    with connection.transaction(force_rollback=True):
        connection.execute(statement.encode())
    return counted() - before


def assert_alike(promised: float, measured: float) -> None:
    """Within a factor of two."""
    assert measured / 2 <= promised <= measured * 2, (promised, measured)
