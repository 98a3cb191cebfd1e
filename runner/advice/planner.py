"""The planner's own estimate for an index, on all of the replica's rows, where hypopg is there."""

from __future__ import annotations

from collections.abc import Sequence

import psycopg
from psycopg import sql

from runner.advice.replays import Replay, explained
from runner.advice.scratch import Index
from runner.advice.statement_texts import Name
from runner.servers.database import Connection, scalar


def cost_ratio(
    scratch: Connection, name: Name, index: Index, replays: Sequence[Replay]
) -> float | None:
    """The cost of statements with the index as a share of that without; None where not known.

    Nothing runs: the index is hypothetical, and the statements are only planned.
    """
    schema = scalar(
        scratch,
        "select n.nspname::text from pg_extension as e"
        " inner join pg_namespace as n on e.extnamespace = n.oid where e.extname = 'hypopg'",
    )
    if schema is None:
        return None
    costs = [0.0, 0.0]
    try:
        with scratch.transaction(force_rollback=True):
            scratch.execute(
                sql.SQL("set local search_path = pg_catalog, {}, pg_temp").format(
                    sql.Identifier(name.schema)
                )
            )
            for number, replay in enumerate(replays):
                scratch.execute(
                    sql.SQL("prepare {} as {}").format(
                        sql.Identifier(f"signal_marts_planned_{number}"), sql.SQL(replay.text)
                    ),
                    binary=True,
                )
            for place in (0, 1):
                if place:
                    scratch.execute(
                        sql.SQL("select {}(%s)").format(
                            sql.Identifier(schema, "hypopg_create_index")
                        ),
                        (
                            sql.SQL("create index on {} {}")
                            .format(sql.Identifier(*name), sql.SQL(index.tail or ""))
                            .as_string(scratch),
                        ),
                    )
                for number, replay in enumerate(replays):
                    for values in replay.values:
                        told = explained(scratch, f"signal_marts_planned_{number}", values, "")
                        costs[place] += told["Plan"]["Total Cost"]
    except psycopg.Error:
        return None
    return costs[1] / costs[0] if costs[0] else None
