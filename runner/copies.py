"""Copies are counted: one that lost rows, for whatever reason, is never taken for done.

While the platform writes, the two sides never show the same moment. But a row that the primary had
before a fence, and still has unchanged after the replica was read behind that fence, was there all
the while: the replica must have shown it. So the replica has at least as many rows as the primary
has of these, whatever was written meanwhile, and at rest just as many as the primary has.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

from psycopg import sql

from runner import landing
from runner.contract import Table
from runner.database import Connection, scalar
from runner.planted import guarded
from runner.replication import TOKENS

# Looks at a table that is being written. A change may be on the replica a moment before the primary
# itself shows it, so that one look alone might miss a row that was deleted.
_LOOKS = 3


@dataclass(frozen=True)
class Loss:
    """A table whose copy lacks rows: the primary had at least ``expected`` of them."""

    table: str
    expected: int
    arrived: int


def find_loss(
    primary: Connection,
    replica: Connection,
    contract: Sequence[Table],
    catch_up: Callable[[], None],
) -> Loss | None:
    """Count the tables that were copied and not yet counted; the first that lacks rows, or None.

    ``catch_up`` returns once the replica shows all that the primary had committed before its call.
    A table that lacks rows is noted, so that the next deploy copies it again. Both connections are
    in autocommit mode; the primary's login must be able to read the tables.
    """
    uncounted = landing.uncounted_copies(replica)
    tables = [table for table in contract if table.qualified in uncounted]
    for look in range(1, _LOOKS + 1):
        if not tables:
            return None
        # Transactions from here on may be on the replica or not; all before are, after the fence.
        horizon = scalar(primary, "select pg_snapshot_xmin(pg_current_snapshot())::text::bigint")
        catch_up()
        losses = {}
        for table in tables:
            arrived, settled, unsettled = _counts(primary, replica, table, horizon)
            if arrived < settled:
                losses[table] = Loss(table.qualified, settled, arrived)
            # The one row of the tokens is written by each look.
            elif unsettled == 0 or look == _LOOKS or table.qualified == TOKENS:
                replica.execute(
                    "delete from signal_marts.uncounted_copies where table_name = %s",
                    (table.qualified,),
                )
                uncounted.discard(table.qualified)
        tables = [table for table in tables if table.qualified in uncounted]
    landing.note_pending(replica, [loss.table for loss in losses.values()])
    return next(iter(losses.values()), None)


def _counts(
    primary: Connection, replica: Connection, table: Table, horizon: int
) -> tuple[int, int, int]:
    """Rows of the replica, and of the primary: those written before ``horizon`` and from it on."""
    name = landing.identifier(table)
    with moments(primary, replica, table):
        on_primary = primary.execute(
            # A row knows the lower half of its transaction's number only.
            sql.SQL(
                "select count(*), count(*) filter (where"
                " (xmin::text::bigint - {horizon} & 4294967295)"
                " < pg_snapshot_xmax(pg_current_snapshot())::text::bigint - {horizon}) from {name}"
            ).format(horizon=sql.Literal(horizon), name=name)
        ).fetchone()
        on_replica = replica.execute(sql.SQL("select count(*) from {}").format(name)).fetchone()
    assert on_primary is not None and on_replica is not None  # noqa: S101, PT018 - aggregates
    total, unsettled = on_primary
    return on_replica[0], total - unsettled, unsettled


@contextmanager
def moments(primary: Connection, replica: Connection, table: Table) -> Iterator[None]:
    """Transactions in which to read a table of both sides.

    The replica's moment comes first, and is held while the primary reads.
    """
    with replica.transaction(), guarded(primary, table.qualified):
        replica.execute("set transaction isolation level repeatable read")
        for connection in (replica, primary):
            connection.execute(
                "select set_config('statement_timeout', '0', true),"
                " set_config('idle_in_transaction_session_timeout', '0', true)"
            )
        yield
