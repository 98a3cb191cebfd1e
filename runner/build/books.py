"""The books of change capture (macros/changes/prepare_changes.sql)."""

from __future__ import annotations

from collections.abc import Mapping, Set
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

from psycopg import sql

from runner.replication.catalog import TOKENS
from runner.servers.database import Connection, scalar

if TYPE_CHECKING:
    from runner.build.transform import Node


@dataclass(frozen=True)
class Books:
    """Models' versions in the books, by qualified names.

    ``versions`` has the version of each existing model; ``reads`` the version of a parent that a
    model last read, by model and parent. ``unread`` are landing tables and views of the platform
    with changes that staging has not read.
    """

    versions: Mapping[str, int]
    reads: Mapping[tuple[str, str], int]
    unread: Set[str]


def read(replica: Connection) -> Books:
    """The whole books; empty if no model was ever built."""
    if not _are_there(replica):
        return Books({}, {}, set())
    versions = replica.execute(
        "select r.relation, r.version from changes.relations as r"
        " where exists (select from pg_class as c inner join pg_namespace as n"
        " on c.relnamespace = n.oid where n.nspname || '.' || c.relname = r.relation)"
    ).fetchall()
    reads = replica.execute("select reader, relation, version from changes.reads").fetchall()
    return Books(
        dict(versions),
        {(reader, relation): version for reader, relation, version in reads},
        set(changed_tables(replica)),
    )


def last_changes(replica: Connection) -> dict[str, str]:
    """The build that last changed each model kept up by changes, by the models' qualified names."""
    if not _are_there(replica):
        return {}
    return dict(replica.execute("select relation, changed_by from changes.relations").fetchall())


def changed_tables(replica: Connection) -> tuple[str, ...]:
    """Names of the landing tables and views of the platform with changes not read by staging.

    Also tables with rows that were too late when staging read them, and no longer are. Not tables
    whose staging model was never built. All other tables after a move to another server, and tables
    whose part of the change log was pruned: their changes are unknown.
    """
    if not _are_there(replica):
        return ()
    cuts = replica.execute(
        # A view of the platform reads several tables, or none.
        "select landing_table, name, relkind = 'r', landing_cut::text,"
        " landing_system <> (select system_identifier from pg_control_system())"
        " or landing_cut < coalesce((select pruned_to from signal_marts.change_log_pruned), '0')"
        " from changes.relations"
        " left join signal_marts.mapped_tables on relations.landing_table = mapped_tables.relation"
        " cross join lateral coalesce(table_name, landing_table) as name"
        # The name of a model that reads no landing table is NULL, which format('%I') refuses.
        " inner join pg_class on pg_class.oid = to_regclass(quote_ident(split_part(name, '.', 1))"
        " || '.' || quote_ident(substr(name, position('.' in name) + 1)))"
    ).fetchall()
    queries = [
        sql.SQL(
            "select {name} where {is_blind}"
            " or exists (select from signal_marts.copies"
            " where table_name in ({name}, {table}) and xid >= {cut}::xid8)"
            " or exists (select from signal_marts.change_log"
            " where table_name = {table} and xid >= {cut}::xid8)"
            " or exists (select from changes.rejected_rows where source_table = {name}"
            " and usable_from <= (select max(written_at) from {tokens}))"
        ).format(
            name=sql.Literal(name),
            table=sql.Literal(table),
            cut=sql.Literal(cut),
            is_blind=sql.Literal(is_blind),
            tokens=sql.Identifier(*TOKENS.split(".", 1)),
        )
        for name, table, _, cut, is_blind in cuts
    ]
    queries += [
        sql.SQL("select {} where exists (select from {} where _xid >= {}::xid8)").format(
            sql.Literal(name), sql.Identifier(*table.split(".", 1)), sql.Literal(cut)
        )
        for name, table, is_table, cut, _ in cuts
        if is_table
    ]
    if not queries:
        return ()
    found = replica.execute(sql.SQL(" union ").join(queries))
    return tuple(sorted(name for (name,) in found))


def record(
    replica: Connection,
    build_id: str,
    started_at: datetime,
    results: Mapping[str, tuple[Node, int | None]],
) -> None:
    """Write the results of a round's models, as macros/changes/record_build.sql does for dbt's.

    ``results`` are by qualified names, each with the number of written rows.
    """
    nodes = [node for node, _ in results.values()]
    failures = sum(node.is_failure for node in nodes)
    with replica.transaction():
        replica.execute(
            "insert into changes.builds values (%s, 'watch', %s, clock_timestamp(), %s, %s, %s)",
            (build_id, started_at, not failures, len(nodes), failures),
        )
        replica.cursor().executemany(
            "insert into changes.build_results"
            " select %s, %s, %s, %s, %s, %s, %s, %s, relations.landing_cut, %s"
            " from (select 1) as one_row"
            " left join changes.relations as relations on relations.relation = %s",
            [
                (
                    *(build_id, node.id, node.name, node.kind, node.status),
                    "changes" if node.status == "success" else None,
                    rows,
                    node.seconds,
                    node.message if node.is_failure else None,
                    relation,
                )
                for relation, (node, rows) in results.items()
            ],
        )


def _are_there(replica: Connection) -> bool:
    """Whether the books exist, in the form of this version: dbt creates and extends them."""
    found: bool = scalar(
        replica,
        "select exists (select from pg_attribute"
        " where attrelid = to_regclass('changes.rejected_rows') and attname = 'usable_from')",
    )
    return found
