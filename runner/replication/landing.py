"""The landing tables on the replica: the contract's columns, and change capture.

All columns but the key's may be NULL, without defaults and foreign keys, so that rows can arrive in
any order and in any version of the platform's schema.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from psycopg import sql

from runner.replication import landed
from runner.servers import role_logins
from runner.servers.changes import Changes
from runner.servers.contract import Table
from runner.servers.database import Connection, scalar
from runner.servers.relations import MADE_BY, Relation, read_relations

# A reader's query must not hold up a build for long. The limit applies to sessions that log in as
# the role itself; a login that is a member of it needs the same statement (docs/adoption.md).
_LIMITS = {"bi_reader": ("alter role bi_reader set statement_timeout = '60s'",)}


# As migration 0035 has it: a fifth of a large table is too much to wait for.
_VACUUMED = sql.SQL(
    "autovacuum_vacuum_insert_scale_factor = 0.01, autovacuum_vacuum_scale_factor = 0.05,"
    " autovacuum_analyze_scale_factor = 0.01"
)


# Wider types of a landing column, in which every value is written as it was. All others of the
# contract's types write some value in another way, or round it.
_WIDER: Mapping[str, frozenset[str]] = {
    "smallint": frozenset({"integer", "bigint", "numeric"}),
    "integer": frozenset({"bigint", "numeric"}),
    "bigint": frozenset({"numeric"}),
}


def prepare(replica: Connection, changes: Changes) -> None:
    """Roles of dbt and of the marts' readers, and the schema of change capture."""
    for role in ("transformer", "bi_reader"):
        if scalar(replica, "select to_regrole(%s)", (role,)) is None:
            name = sql.Identifier(role)
            changes.run(
                "replica",
                f"role {role} created",
                replica,
                sql.SQL("create role {} nologin").format(name),
                sql.SQL("comment on role {} is {}").format(name, sql.Literal(MADE_BY)),
                *_LIMITS.get(role, ()),
                in_transaction=True,
            )
    # dbt builds as transformer in every login. The role may be older than this deploy.
    may_become = scalar(
        replica,
        "select pg_has_role(oid, %s) from pg_roles where rolname = 'transformer'",
        ("set" if replica.info.server_version >= 160000 else "member",),
    )
    if may_become is False:
        changes.run(
            "replica",
            "login made a member of transformer",
            replica,
            "grant transformer to current_user",
        )
    # The newest relation of the schema: an older deploy lacks it.
    if scalar(replica, "select to_regclass('signal_marts.alerts')") is None:
        changes.run(
            "replica",
            "change capture installed",
            replica,
            landed.file("change_capture.sql"),
            landed.file("observed_tables.sql"),
            "grant usage on schema signal_marts to transformer",
            "grant select on all tables in schema signal_marts to transformer",
            "revoke all on signal_marts.logins from transformer",
            landed.file("alerts.sql"),
            "grant update on signal_marts.build_lock, signal_marts.staging_lock to transformer",
            # A build prunes entries that all models have read.
            "grant delete on signal_marts.change_log, signal_marts.copies to transformer",
            "grant insert, update on signal_marts.change_log_pruned to transformer",
            "grant insert, update on signal_marts.noted_partitions to transformer",
            sql.SQL("grant connect, create on database {} to transformer").format(
                sql.Identifier(replica.info.dbname)
            ),
            sql.SQL("grant connect on database {} to bi_reader").format(
                sql.Identifier(replica.info.dbname)
            ),
            in_transaction=True,
        )
    if scalar(
        replica,
        "select coalesce(has_table_privilege(to_regclass('signal_marts.logins'), 'insert'), false)",
    ):
        role_logins.prepare(replica, changes)


def widen(replica: Connection, contract: Sequence[Table], changes: Changes) -> None:
    """Repair change capture, and widen columns whose values are the same in the contract's type.

    Widening is in place: nothing is copied. It must be done before the primary holds a value that
    only the wider column takes. ``_xid`` stays as it is, since no value changes. If the table is
    rewritten, a running build with an older snapshot fails (macros/changes/check_landing.sql). A
    table with missing triggers is noted to be copied again, in the transaction that restores them.
    """
    existing = read_relations(replica, contract)
    capturing = landed.capturing(replica)
    landed.check_owners(replica, contract)
    for table in contract:
        found = existing.get(table.qualified)
        if found is None or "_xid" not in found.columns or not found.key:
            continue
        if table.qualified not in capturing:
            prepare(replica, changes)  # An older deploy lacks the tables that are written here.
            changes.run(
                "replica",
                f"change capture of {table.qualified} mended, to be copied again",
                replica,
                *_triggers(table, found.key),
                _begun_anew(table.qualified),
                _pending(table),
                in_transaction=True,
            )
        wider = [column for column in _differing_columns(table, found) if _widens(column, found)]
        if not wider:
            continue
        changes.run(
            "replica",
            f"{table.qualified} widened: "
            + ", ".join(f"{name} is {data_type}" for name, data_type in wider),
            replica,
            *_drop_views(replica, table, [name for name, _ in wider]),
            # One of them compares the key.
            *_drop_triggers(table),
            sql.SQL("alter table {} {}").format(
                table.identifier,
                sql.SQL(", ").join(
                    sql.SQL("alter column {} type {}").format(
                        sql.Identifier(name), sql.SQL(data_type)
                    )
                    for name, data_type in wider
                ),
            ),
            *_triggers(table, found.key),
            in_transaction=True,
        )


def _differing_columns(table: Table, found: Relation) -> list[tuple[str, str]]:
    """Columns of the contract that a landing table lacks or has in another type."""
    return [
        (name, data_type)
        for name, data_type in table.columns
        if found.columns.get(name) != data_type
    ]


def _widens(column: tuple[str, str], found: Relation) -> bool:
    name, data_type = column
    return data_type in _WIDER.get(found.columns.get(name, ""), ())


def extend(
    replica: Connection,
    contract: Sequence[Table],
    primary: Mapping[str, Relation],
    changes: Changes,
) -> None:
    """Create missing landing tables and columns, and repair existing ones.

    A table with an added column, or with a type change that ``widen`` does not make, is noted in
    ``signal_marts.pending_copies``, in the same transaction: the rows on the primary may already
    hold values of the column.
    """
    if not changes.is_dry_run:  # That has shown it, before the migrations.
        widen(replica, contract, changes)
    landing = read_relations(replica, contract)
    uncapturing = landed.without_capture(replica, contract)
    for table in contract:
        existing = landing.get(table.qualified)
        if existing is None:
            _create(replica, table, primary, changes)
            continue
        if table.qualified in uncapturing:
            _recreate(replica, table, primary, changes, "column _xid is gone")
            continue
        if "_xid" not in existing.columns:
            raise landed.LandingError(
                f"the replica has a table {table.qualified} that is not a landing table; "
                "REPLICA_URL must name a database of its own"
            )
        if table.qualified in primary and existing.key != primary[table.qualified].key:
            _recreate(
                replica,
                table,
                primary,
                changes,
                f"key is ({', '.join(existing.key)}), on the primary "
                f"({', '.join(primary[table.qualified].key)})",
            )
            continue
        wrong = [
            column
            for column in _differing_columns(table, existing)
            if not _widens(column, existing)
        ]
        if any(name in existing.key for name, _ in wrong):
            _recreate(replica, table, primary, changes, "key has another type in the sources")
            continue
        for name, data_type in wrong:
            _add_column(replica, table, name, data_type, changes)


def lock(names: Sequence[str]) -> list[sql.Composed]:
    """Statements that keep writers out of landing tables until the transaction ends."""
    return [
        sql.SQL("lock table {} in share row exclusive mode").format(
            sql.Identifier(*name.split(".", 1))
        )
        for name in names
    ]


def empty(names: Sequence[str]) -> list[sql.Composed]:
    """A statement that empties landing tables, or none without tables.

    Readers of their changes compare all rows instead: millions of keys need no log. DELETE, since a
    build that began before still reads the rows; after TRUNCATE it could not.
    """
    if not names:
        return []
    deletes = sql.SQL("; ").join(
        sql.SQL("delete from {}").format(sql.Identifier(*name.split(".", 1))) for name in names
    )
    notes = sql.SQL("; ").join(_begun_anew(name) for name in names)
    return [
        sql.SQL(
            "do $empty$ begin"
            " perform set_config('signal_marts.is_copying', 'on', true); {};"
            " perform set_config('signal_marts.is_copying', 'off', true); {};"
            " end $empty$"
        ).format(deletes, notes)
    ]


def drop_leftovers(
    replica: Connection, found: Sequence[tuple[str, str | None]], changes: Changes
) -> None:
    """Drop the columns and tables of ``leftovers``, and views that users made on them."""
    for name, column in found:
        table = sql.Identifier(*name.split(".", 1))
        if column is None:
            changes.run(
                "replica",
                f"landing table {name} dropped",
                replica,
                sql.SQL("drop table {} cascade").format(table),
            )
        else:
            changes.run(
                "replica",
                f"column {name}.{column} dropped",
                replica,
                sql.SQL("alter table {} drop column {} cascade").format(
                    table, sql.Identifier(column)
                ),
            )


def _create(
    replica: Connection, table: Table, primary: Mapping[str, Relation], changes: Changes
) -> None:
    if table.qualified not in primary:
        # Only a dry run gets here: its migration is still to come.
        changes.run("replica", f"landing table {table.qualified} created after it", replica)
        return
    key = primary[table.qualified].key
    schema = sql.Identifier(table.schema)
    columns = [
        sql.SQL("{} {}").format(sql.Identifier(name), sql.SQL(data_type))
        for name, data_type in table.columns
    ]
    changes.run(
        "replica",
        f"landing table {table.qualified} created",
        replica,
        sql.SQL("create schema if not exists {}").format(schema),
        sql.SQL("grant usage on schema {} to transformer").format(schema),
        sql.SQL(
            "create table {} ({}, _xid xid8 not null default pg_current_xact_id(),"
            " primary key ({})) with ({})"
        ).format(table.identifier, sql.SQL(", ").join(columns), names(key), _VACUUMED),
        sql.SQL("comment on table {} is {}").format(
            table.identifier, sql.Literal(f"landing table {MADE_BY}")
        ),
        sql.SQL("create index on {} (_xid)").format(table.identifier),
        sql.SQL("grant select on {} to transformer").format(table.identifier),
        *_triggers(table, key),
        _begun_anew(table.qualified),
        in_transaction=True,
    )


def _recreate(
    replica: Connection,
    table: Table,
    primary: Mapping[str, Relation],
    changes: Changes,
    reason: str,
) -> None:
    """Make a landing table again and note that it is to be copied."""
    changes.run(
        "replica",
        f"landing table {table.qualified} made anew: its {reason}",
        replica,
        *empty([table.qualified]),
        sql.SQL("drop table {} cascade").format(table.identifier),
        # Its keys are of another type; readers compare all rows of a table that was emptied.
        sql.SQL("delete from signal_marts.change_log where table_name = {}").format(
            table.qualified
        ),
        _pending(table),
        in_transaction=True,
    )
    _create(replica, table, primary, changes)


def _add_column(
    replica: Connection, table: Table, column: str, data_type: str, changes: Changes
) -> None:
    changes.run(
        "replica",
        f"column {table.qualified}.{column} added, to be copied again",
        replica,
        # A user's view may depend on a column whose type changes.
        sql.SQL("alter table {} drop column if exists {} cascade").format(
            table.identifier, sql.Identifier(column)
        ),
        sql.SQL("alter table {} add column {} {}").format(
            table.identifier, sql.Identifier(column), sql.SQL(data_type)
        ),
        _pending(table),
        in_transaction=True,
    )


def _pending(table: Table) -> sql.Composed:
    return sql.SQL(
        "insert into signal_marts.pending_copies values ({}) on conflict do nothing"
    ).format(sql.Literal(table.qualified))


def _begun_anew(name: str) -> sql.Composed:
    """Tell readers of changes that keys may have gone without a row in the change log.

    A table that will be copied is to be counted afterwards, and its archived rows are to be loaded.
    """
    return sql.SQL(
        "with begun as (insert into signal_marts.copies (table_name) values ({0})),"
        " gone as (delete from signal_marts.archives where table_name = {0})"
        " insert into signal_marts.uncounted_copies values ({0}) on conflict do nothing"
    ).format(sql.Literal(name))


def _triggers(table: Table, key: Sequence[str]) -> list[sql.Composed]:
    """Statements that make the triggers of change capture, in place of existing ones."""
    made = sql.SQL(landed.file("landing_triggers.sql")).format(
        table=table.identifier,
        key_literals=sql.SQL(", ").join(sql.Literal(name) for name in key),
        key_changed=sql.SQL(" or ").join(
            sql.SQL("old.{0} is distinct from new.{0}").format(sql.Identifier(name)) for name in key
        ),
    )
    return [*_drop_triggers(table), made]


def _drop_triggers(table: Table) -> list[sql.Composed]:
    return [
        sql.SQL("drop trigger if exists {} on {}").format(sql.Identifier(name), table.identifier)
        for name in landed.TRIGGERS
    ]


def _drop_views(replica: Connection, table: Table, columns: Sequence[str]) -> list[sql.Composed]:
    """Statements that drop the views on columns, without which no type can change."""
    found = replica.execute(
        """
        select distinct n.nspname, v.relname, v.relkind = 'm'
        from pg_attribute as a
        inner join pg_depend as d
            on d.refclassid = 'pg_class'::regclass
            and a.attrelid = d.refobjid
            and a.attnum = d.refobjsubid
            and d.classid = 'pg_rewrite'::regclass
        inner join pg_rewrite as r on d.objid = r.oid
        inner join pg_class as v on r.ev_class = v.oid
        inner join pg_namespace as n on v.relnamespace = n.oid
        where a.attrelid = %s::regclass and a.attname = any(%s)
        """,
        (table.identifier.as_string(), list(columns)),
    )
    return [
        sql.SQL("drop {} if exists {} cascade").format(
            sql.SQL("materialized view" if is_stored else "view"), sql.Identifier(schema, name)
        )
        for schema, name, is_stored in found
    ]


def names(columns: Sequence[str]) -> sql.Composed:
    """Quoted column names with commas."""
    return sql.SQL(", ").join(map(sql.Identifier, columns))
