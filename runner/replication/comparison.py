"""The rows of a table compared on both sides, exactly, while the platform writes.

While rows are on their way, the two sides never show the same moment. So only a lasting difference
counts. If the primary shows a row at two looks, written by the same transaction, the replica must
show the row at the second look, since a fence lies between the looks. If the replica shows a row at
two looks, applied by the same transaction, the primary must show it at the first look. A third look
is for changes that the replica shows a moment before the primary itself does.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

import psycopg
from psycopg import sql

from runner.errors import SignalMartsError
from runner.progress import Advance
from runner.replication import archives, copies, fence, landed
from runner.replication.copies import LOTS, OF_LOTS, ROWS, hashed
from runner.servers.contract import Table, read_contract
from runner.servers.database import Connection, scalar

# Rows on their way make few lots of rows differ, and fewer at each look.
_LOOKS = 3

_OF_ROWS = sql.SQL("select hash, version from {hashed} where hash & {last} = any({lots})")


def find_differences(
    primary: Connection, replica: Connection, *, fence_timeout: float, advance: Advance
) -> list[str]:
    """Compare all replicated tables; return their problems, a line each.

    Tables that differ are noted, so that the next deploy copies them again. ``fence_timeout`` is in
    seconds. Both connections are in autocommit mode.
    """
    contract = read_contract()
    problems = []
    for number, table in enumerate(contract):
        advance(number, len(contract), table.qualified)
        try:
            if is_same(primary, replica, table, contract, fence_timeout):
                continue
        except fence.FenceError as error:
            problems.append(f"the rows are not compared, from {table.qualified} on: {error}")
            break
        except (SignalMartsError, psycopg.errors.InsufficientPrivilege) as error:
            problems.append(f"the rows of {table.qualified} are not compared: {error}")
            continue
        landed.note_pending(replica, [table.qualified])
        problems.append(
            f"rows of {table.qualified} are not the same on both sides: somebody took changes from "
            "the slot, or wrote to the landing table"
        )
    else:
        advance(len(contract), len(contract), "")
    return problems


def is_same(
    primary: Connection,
    replica: Connection,
    table: Table,
    contract: Sequence[Table],
    fence_timeout: float,
    condition: sql.Composable | None = None,
) -> bool:
    """Whether both sides have the same rows, except rows on their way.

    Those of a condition are compared, or all that are not archived.
    A row that the replica lacks does not count while it is written again between two looks.
    ``fence_timeout`` is in seconds. Raises FenceError if the replica does not catch up, and
    InsufficientPrivilege if the login may not see all rows of the primary.
    """
    encoding = scalar(primary, "show server_encoding")
    condition = archives.kept(primary, table) if condition is None else condition

    def look(query: sql.SQL, lots: Iterable[int] = ()) -> list[dict[int, tuple[int, ...]]]:
        """The query's rows on the primary and on the replica, by their first column."""
        fence.wait(primary, replica, contract, timeout=fence_timeout)
        with copies.moments(primary, replica, table):
            # Rather an error than some of the rows.
            primary.execute("set local row_security = off")
            return [
                {
                    first: tuple(others)
                    for first, *others in connection.execute(
                        query.format(
                            hashed=hashed(table, table.column_names, version, encoding, condition),
                            last=sql.Literal(LOTS - 1),
                            lots=sql.Literal(sorted(lots)),
                        )
                    )
                }
                for connection, version in ((primary, "xmin"), (replica, "_xid"))
            ]

    lots = set(range(LOTS))
    for _ in range(_LOOKS):
        one, other = look(OF_LOTS)
        lots = {lot for lot in lots if one.get(lot) != other.get(lot)}
        rows = sum(count for count, _ in (*one.values(), *other.values()))
        at_a_time = max(1, LOTS * ROWS // max(1, rows))
        if len(lots) <= at_a_time:
            break
    ordered = sorted(lots)
    return not any(
        _rows_of_one_side([look(_OF_ROWS, some) for _ in range(_LOOKS)])
        for some in (ordered[i : i + at_a_time] for i in range(0, len(ordered), at_a_time))
    )


def _rows_of_one_side(
    looks: Iterable[Sequence[Mapping[int, tuple[int, ...]]]],
) -> set[object]:
    """Rows that one side alone shows at all looks, written by the same transaction."""
    alone: list[set[object]] = [
        {
            (side, found, version)
            for side, (mine, others) in enumerate(((one, other), (other, one)))
            for found, version in mine.items()
            if found not in others
        }
        for one, other in looks
    ]
    return set.intersection(*alone)
