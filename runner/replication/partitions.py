"""Partitions that come and go with their rows, or are emptied alone.

The server replicates rows written to a partition, but not ATTACH, DETACH, DROP or TRUNCATE of a
single partition. So the partitions are noted, each with its file and its entry in the parent table.
If a file or an entry changed (also by VACUUM FULL), the rows of both sides are compared once.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress

import psycopg
from psycopg import sql
from psycopg.types.json import Jsonb

from runner.replication import comparison
from runner.servers.contract import Table
from runner.servers.database import Connection, scalar

Partitions = Mapping[str, Mapping[str, str]]
"""What identifies each partition, by its object id, by the table's qualified name."""


def read(primary: Connection, contract: Sequence[Table]) -> Partitions:
    """The partitions of the contract's partitioned tables, on all levels."""
    rows = primary.execute(
        """
        select
            n.nspname || '.' || c.relname,
            coalesce(
                (
                    select jsonb_object_agg(p.oid::text, p.relfilenode || ' ' || i.xmin)
                    from pg_partition_tree(c.oid) as t
                    inner join pg_class as p on t.relid = p.oid
                    inner join pg_inherits as i on p.oid = i.inhrelid
                    where t.level > 0
                ),
                '{}'
            )
        from pg_class as c
        inner join pg_namespace as n on c.relnamespace = n.oid
        where c.relkind = 'p' and n.nspname || '.' || c.relname = any(%s)
        """,
        ([table.qualified for table in contract],),
    )
    return dict(rows.fetchall())


def note(replica: Connection, found: Partitions) -> None:
    """Note that all tables have the same rows on both sides, or are being copied."""
    if _noted(replica) == {name: (partitions, False) for name, partitions in found.items()}:
        return
    with replica.transaction():
        replica.execute("delete from signal_marts.noted_partitions")
        for name, partitions in found.items():
            _note(replica, name, partitions, is_different=False)


def look(
    primary: Connection, replica: Connection, contract: Sequence[Table], *, fence_timeout: float
) -> set[str]:
    """Compare the tables whose partitions changed, and note the outcome; return those that differ.

    ``fence_timeout`` is in seconds; raises FenceError where the replica does not catch up.
    """
    noted = _noted(replica)
    found = read(primary, contract)
    differing = {name for name, (_, is_different) in noted.items() if is_different}
    for table in contract:
        name = table.qualified
        before, _ = noted.get(name, ({}, False))
        if name not in found or found[name] == before:
            continue
        if name not in differing and _may_differ(primary, before, found[name]):
            is_same = False
            # A table that cannot be compared is to be copied again.
            with suppress(psycopg.errors.InsufficientPrivilege):
                is_same = comparison.is_same(primary, replica, table, contract, fence_timeout)
            if not is_same:
                differing.add(name)
        _note(replica, name, found[name], is_different=name in differing)
    return differing


def different(replica: Connection) -> set[str]:
    """Qualified names of the tables that were found to differ."""
    return {name for name, (_, is_different) in _noted(replica).items() if is_different}


def unseen(primary: Connection, replica: Connection, contract: Sequence[Table]) -> set[str]:
    """Qualified names of the tables whose partitions changed since their rows were compared."""
    noted = _noted(replica)
    return {
        name
        for name, partitions in read(primary, contract).items()
        if _may_differ(primary, noted.get(name, ({}, False))[0], partitions)
    }


def _may_differ(primary: Connection, before: Mapping[str, str], now: Mapping[str, str]) -> bool:
    """Whether rows may have come or gone: a new and still empty partition brought none."""
    return not before.items() <= now.items() or any(
        not _is_empty(primary, oid) for oid in now.keys() - before.keys()
    )


def _noted(replica: Connection) -> dict[str, tuple[Mapping[str, str], bool]]:
    """Partitions as noted, and whether the rows differ, by the table's qualified name."""
    if scalar(replica, "select to_regclass('signal_marts.noted_partitions')") is None:
        return {}
    rows = replica.execute(
        "select table_name, partitions, is_different from signal_marts.noted_partitions"
    )
    return {name: (partitions, is_different) for name, partitions, is_different in rows}


def _note(
    replica: Connection, name: str, partitions: Mapping[str, str], *, is_different: bool
) -> None:
    replica.execute(
        "insert into signal_marts.noted_partitions (table_name, partitions, is_different)"
        " values (%s, %s, %s) on conflict (table_name) do update set"
        " partitions = excluded.partitions, is_different = excluded.is_different",
        (name, Jsonb(dict(partitions)), is_different),
    )


def _is_empty(primary: Connection, oid: str) -> bool:
    """Whether a partition has no row; a partition dropped meanwhile is left to the next look."""
    found = primary.execute(
        "select n.nspname, c.relname from pg_class as c"
        " inner join pg_namespace as n on c.relnamespace = n.oid where c.oid = %s",
        (int(oid),),
    ).fetchone()
    if found is None:
        return True
    query = sql.SQL("select from {} limit 1").format(sql.Identifier(*found))
    return primary.execute(query).fetchone() is None
