"""The landing tables as the replica has them, and the notes of those that are to be copied."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from importlib import resources

from psycopg import sql

from runner.errors import SignalMartsError
from runner.servers.contract import Table
from runner.servers.database import Connection, scalar
from runner.servers.relations import MADE_BY, read_relations

TRIGGERS = (
    "signal_marts_stamp_change",
    "signal_marts_log_delete",
    "signal_marts_log_key_change",
    "signal_marts_note_truncate",
)


class LandingError(SignalMartsError):
    """A landing table cannot be brought to the contract."""


def pending_copies(replica: Connection) -> set[str]:
    """Qualified names of the tables whose rows must be copied again."""
    if scalar(replica, "select to_regclass('signal_marts.pending_copies')") is None:
        return set()
    return {
        name for (name,) in replica.execute("select table_name from signal_marts.pending_copies")
    }


def note_pending(replica: Connection, names: Iterable[str]) -> None:
    """Note tables whose rows must be copied again, until ``sync`` has copied them."""
    replica.execute(
        "insert into signal_marts.pending_copies select unnest(%s::text[]) on conflict do nothing",
        (sorted(names),),
    )


def uncounted_copies(replica: Connection) -> set[str]:
    """Qualified names of the tables that were emptied to be copied, and not yet counted."""
    if scalar(replica, "select to_regclass('signal_marts.uncounted_copies')") is None:
        return set()
    return {
        name for (name,) in replica.execute("select table_name from signal_marts.uncounted_copies")
    }


def landing_tables(replica: Connection) -> dict[str, list[str]]:
    """Columns, except ``_xid``, of all landing tables by qualified name.

    A table of a login that does not deploy is not a landing table, whatever its name: it may run
    that login's code, or be a temporary table, which no other session can empty.
    """
    return {
        name: [column for column in columns if column != "_xid"]
        for name, columns in _ours(replica).items()
        if "_xid" in columns
    }


def without_capture(replica: Connection, contract: Sequence[Table]) -> set[str]:
    """Landing tables of the contract that lack the column of change capture."""
    found = _ours(replica)
    return {
        table.qualified for table in contract if "_xid" not in found.get(table.qualified, ["_xid"])
    }


def _ours(replica: Connection) -> dict[str, list[str]]:
    """Columns of tables that a deploy made; ``_xid`` counts as one only where it has its type."""
    rows = replica.execute(
        """
        select n.nspname || '.' || c.relname, array_agg(a.attname::text order by a.attnum)
        from pg_class as c
        inner join pg_namespace as n on c.relnamespace = n.oid
        inner join pg_attribute as a
            on c.oid = a.attrelid and a.attnum > 0 and not a.attisdropped
            and (a.attname <> '_xid' or a.atttypid = 'xid8'::regtype)
        where c.relkind = 'r'
            and pg_has_role(
                c.relowner,
                (select s.nspowner from pg_namespace as s where s.nspname = 'signal_marts'),
                'usage'
            )
            and exists (
                select from pg_description as d
                where d.objoid = c.oid and d.objsubid = 0 and d.description = %s
            )
        group by 1
        """,
        (f"landing table {MADE_BY}",),
    )
    return dict(rows.fetchall())


def leftovers(replica: Connection, contract: Sequence[Table]) -> list[tuple[str, str | None]]:
    """Landing columns, and whole landing tables (column None), that the contract does not have."""
    wanted = {table.qualified: table.column_names for table in contract}
    found: list[tuple[str, str | None]] = []
    for name, columns in sorted(landing_tables(replica).items()):
        if name not in wanted:
            found.append((name, None))
        else:
            found += [(name, column) for column in columns if column not in wanted[name]]
    return found


def differing(replica: Connection, contract: Sequence[Table]) -> list[str]:
    """Qualified names of the landing tables that lack a column, its type or the key."""
    existing = read_relations(replica, contract)
    return [
        table.qualified
        for table in contract
        if (found := existing.get(table.qualified)) is not None
        and (not found.key or not set(table.columns) <= set(found.columns.items()))
    ]


def refusals(replica: Connection) -> list[tuple[str, str, str]]:
    """Landing tables, what of theirs can refuse a row of the primary, and what drops it."""
    tables = [sql.Identifier(*name.split(".", 1)).as_string() for name in landing_tables(replica)]
    return replica.execute(file("refusals.sql"), {"tables": tables}).fetchall()


def not_captured(replica: Connection, contract: Sequence[Table]) -> list[str]:
    """Qualified names of the landing tables whose changes are not captured."""
    missing = {table.qualified for table in contract} - capturing(replica)
    return sorted(missing & set(landing_tables(replica)))


def capturing(replica: Connection) -> set[str]:
    """Landing tables whose triggers are all there and fire in the apply worker."""
    rows = replica.execute(
        """
        select n.nspname || '.' || c.relname
        from pg_trigger as t
        inner join pg_class as c on t.tgrelid = c.oid
        inner join pg_namespace as n on c.relnamespace = n.oid
        where t.tgname = any(%s) and t.tgenabled = 'A'
        group by 1
        having count(*) = %s
        """,
        (list(TRIGGERS), len(TRIGGERS)),
    )
    return {name for (name,) in rows}


def check_owners(replica: Connection, contract: Sequence[Table]) -> None:
    """Raise LandingError if builds could replace a landing table by code of their own.

    The owner of a table's schema can drop the table and make another.
    """
    foreign = replica.execute(
        """
        with owned (name, owner) as (
            select 'schema ' || nspname, nspowner from pg_namespace where nspname = any(%(schemas)s)
            union all
            select 'table ' || n.nspname || '.' || c.relname, c.relowner
            from pg_class as c
            inner join pg_namespace as n on c.relnamespace = n.oid
            where n.nspname || '.' || c.relname = any(%(tables)s)
        )

        select owned.name, owned.owner::regrole::text
        from owned
        inner join pg_namespace as s on s.nspname = 'signal_marts'
        where
            pg_has_role(owned.owner, to_regrole('transformer')::oid, 'member')
            and not pg_has_role(owned.owner, s.nspowner, 'usage')
        order by 1
        """,
        {
            "schemas": sorted({table.schema for table in contract}),
            "tables": [table.qualified for table in contract],
        },
    ).fetchall()
    if foreign:
        raise LandingError(
            "on the replica, "
            + ", ".join(f"{name} belongs to {owner}" for name, owner in foreign)
            + ", in whose rights marts are built: code of theirs would run in ours. Nothing was "
            "done with it; drop it, or alter its owner once you have looked at what is on it"
        )


def file(name: str) -> str:
    """The text of a file of SQL."""
    return resources.files("runner.sql").joinpath(name).read_text("utf-8")
