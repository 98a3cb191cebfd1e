"""Copies are counted: a copy that lost rows, for any reason, is never taken as done.

While the platform writes, the two sides never show the same moment. But if the primary had a row
before a fence, and still has it unchanged after the replica was read behind that fence, the row was
there all the time: the replica must show a row with its key, despite all writes in between.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from psycopg import sql

from runner.replication import archives, landed
from runner.servers.contract import Table
from runner.servers.database import Connection, scalar
from runner.servers.planted import guarded
from runner.servers.relations import read_relations

# Looks at a table that lacks rows. A change may be on the replica a moment before the primary
# itself shows it, so that one look alone might miss a row that was deleted.
_LOOKS = 3

# Rows are first compared in so many lots, and one by one only in lots that differ.
LOTS = 1024

OF_LOTS = sql.SQL(
    "select (hash & {last})::integer, count(*), bit_xor(hash) from {hashed} group by 1"
)

# Of those, about so many rows are read at a time.
ROWS = 100_000

# A row writes its other values just as replication sends them.
_AS_REPLICATED = {
    "numeric": "trim_scale({}::text::numeric)",
    "double precision": "{}::text::double precision",
}


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

    ``catch_up`` returns once the replica shows all rows that the primary had committed before. A
    table that lacks rows is noted, so that the next deploy copies it again. Both connections are in
    autocommit mode; the primary's login must be able to read the tables.
    """
    uncounted = landed.uncounted_copies(replica)
    tables = [table for table in contract if table.qualified in uncounted]
    relations = read_relations(replica, tables) if tables else {}
    lacking: dict[Table, set[int]] = {}
    losses: dict[Table, Loss] = {}
    for _ in range(_LOOKS):
        if not tables:
            return None
        # Transactions from here on may be on the replica or not; all earlier ones are, after the
        # fence.
        horizon = scalar(primary, "select pg_snapshot_xmin(pg_current_snapshot())::text::bigint")
        catch_up()
        losses.clear()
        for table in tables:
            key = relations[table.qualified].key
            settled, missing = _missing(primary, replica, table, key, horizon)
            lacking[table] = missing & lacking.get(table, missing)
            if lost := len(lacking[table]):
                losses[table] = Loss(table.qualified, settled, settled - lost)
            else:
                replica.execute(
                    "delete from signal_marts.uncounted_copies where table_name = %s",
                    (table.qualified,),
                )
        tables = list(losses)
    landed.note_pending(replica, [loss.table for loss in losses.values()])
    return next(iter(losses.values()), None)


def _missing(
    primary: Connection, replica: Connection, table: Table, key: Sequence[str], horizon: int
) -> tuple[int, set[int]]:
    """The number of the primary's rows written before the transaction ``horizon``, and the hashes
    of the keys that the replica lacks."""
    encoding = str(scalar(primary, "show server_encoding"))
    # A row knows the lower half of its transaction's number only.
    is_settled = sql.SQL(
        "(version - {horizon} & 4294967295)"
        " >= pg_snapshot_xmax(pg_current_snapshot())::text::bigint - {horizon}"
    ).format(horizon=sql.Literal(horizon))
    hashes = sql.SQL("select hash from {hashed} where hash & {last} = any({lots})")
    kept = archives.kept(primary, table)

    def read(connection: Connection, query: sql.SQL, some: Sequence[int] = ()) -> list[Any]:
        version, condition = (
            ("xmin", is_settled) if connection is primary else ("_xid", sql.Literal(True))
        )
        rows = sql.SQL("(select hash from {} where {}) as rows").format(
            hashed(table, key, version, encoding, kept), condition
        )
        return connection.execute(
            query.format(hashed=rows, last=sql.Literal(LOTS - 1), lots=sql.Literal(list(some)))
        ).fetchall()

    missing: set[int] = set()
    with moments(primary, replica, table):
        theirs = set(read(replica, OF_LOTS))
        ours = read(primary, OF_LOTS)
        settled = sum(count for _, count, _ in ours)
        differing = [lot for lot, *others in ours if (lot, *others) not in theirs]
        at_a_time = max(1, LOTS * ROWS // max(1, settled))
        for start in range(0, len(differing), at_a_time):
            some = differing[start : start + at_a_time]
            there = {hash_ for (hash_,) in read(replica, hashes, some)}
            missing.update(hash_ for (hash_,) in read(primary, hashes, some) if hash_ not in there)
    return settled, missing


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


def hashed(
    table: Table, columns: Sequence[str], version: str, encoding: str, condition: sql.Composable
) -> sql.Composed:
    """Hashes of these columns of a condition's rows, with values as replication sends them, and the
    transaction that wrote each row: the side's column ``version``. ``encoding`` is the
    primary's."""
    kinds = dict(table.columns)
    values = sql.SQL(", ").join(
        sql.SQL(_AS_REPLICATED.get(kinds[name], "{}")).format(sql.Identifier(name))
        for name in columns
    )
    text = sql.SQL("(row({}))::text").format(values)
    if encoding != "UTF8":  # the replica's: in another, a text has other bytes
        text = sql.SQL("encode(convert_to({}, 'UTF8'), 'escape')").format(text)
    # Without the offset, a hash would be computed wherever it is named.
    return sql.SQL(
        "(select hashtextextended({text}, 0) as hash, {version}::text::bigint as version"
        " from {table} where {condition} offset 0) as hashed"
    ).format(
        text=text,
        version=sql.Identifier(version),
        table=table.identifier,
        condition=condition,
    )
