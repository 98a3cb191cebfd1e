"""A sync alone, and what it changed."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

from landscapes import Landscape

from runner.replication import fence, sync
from runner.servers.changes import Changes
from runner.servers.contract import Table
from runner.servers.sides import connected


def sync_to(landscape: Landscape, contract: Sequence[Table]) -> list[str]:
    """Sync to a contract and wait until all has arrived; return what was changed."""
    changes = Changes(report=lambda line: None)
    with connected(landscape.primary, landscape.replica) as sides:
        sync.sync(sides, contract, changes, fence_timeout=60)
        fence.wait(sides.on_primary, sides.on_replica, contract, timeout=60)
    return changes.made


def changed(
    contract: Sequence[Table], name: str, columns: Sequence[tuple[str, str]]
) -> tuple[Table, ...]:
    """The contract with other columns in one table."""
    return tuple(
        dataclasses.replace(table, columns=tuple(columns)) if table.name == name else table
        for table in contract
    )


def columns_of(contract: Sequence[Table], name: str) -> list[tuple[str, str]]:
    return next(list(table.columns) for table in contract if table.name == name)


def copies(landscape: Landscape) -> list[tuple[object, ...]]:
    """What tells that a table was copied anew, and when each table's first copy was done."""
    return landscape.on_replica(
        "select table_name, xid::text from signal_marts.copies union all"
        " select srrelid::regclass::text, srsublsn::text from pg_subscription_rel order by 1, 2"
    )
