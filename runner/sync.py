"""Replication made to fit the contract: publication, landing tables, slot and subscription.

``sync`` compares the contract with the catalogs of both sides and applies only the difference. Each
step can be repeated, so that a run that was killed anywhere is finished by the next one.
"""

from __future__ import annotations

import re
import secrets
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from importlib import resources

import psycopg
from psycopg import sql
from psycopg.conninfo import make_conninfo

from runner import fence
from runner.contract import PlatformMismatchError, Relation, Table, mismatches, read_relations
from runner.database import Connection, Database, scalar
from runner.errors import SignalMartsError, UsageError

PUBLICATION = "signal_marts"
SUBSCRIPTION = "signal_marts"
REPLICATOR = "replicator"
MADE_BY = "made by signal-marts"

Report = Callable[[str], None]


class SyncError(SignalMartsError):
    """Replication cannot be made to fit the contract."""


@dataclass(frozen=True)
class Sides:
    """Both databases, each with an autocommit connection to it."""

    primary: Database
    replica: Database
    on_primary: Connection
    on_replica: Connection
    replication_url: str | None
    """How the replica reaches the primary; None: like us, with the replicator's own password."""


def sync(sides: Sides, contract: Sequence[Table], *, fence_timeout: float, report: Report) -> bool:
    """Bring replication to the contract; return whether anything had to be changed.

    ``fence_timeout`` is in seconds. Each change is told to ``report`` in one line. Raises
    PlatformMismatchError or SyncError, before anything is touched where that can be known.
    """
    changes: list[str] = []

    def changed(what: str) -> None:
        changes.append(what)
        report(what)

    _check_sides(sides)
    relations = read_relations(sides.on_primary, contract)
    if problems := mismatches(contract, relations):
        raise PlatformMismatchError(problems)

    _prepare_replica(sides.on_replica, changed)
    _extend_landing(sides.on_replica, contract, relations, changed)
    _grant_reading(sides.on_primary, contract, changed)
    recopied = _pending_copies(sides.on_replica)
    if recopied and _subscription_exists(sides.on_replica):
        _withdraw(sides, contract, recopied, changed)
    _publish(sides.on_primary, contract, changed)
    _subscribe(sides, changed)
    _refresh(sides, contract, changed)
    sides.on_replica.execute(
        "delete from signal_marts.pending_copies where table_name = any(%s)", (sorted(recopied),)
    )
    if leftovers := _leftovers(sides.on_replica, contract):
        # What is in flight still has the old columns: it must arrive before they go.
        fence.wait(sides.on_primary, sides.on_replica, contract, timeout=fence_timeout)
        _drop_leftovers(sides.on_replica, leftovers, changed)
    return bool(changes)


# --- before anything is touched ---------------------------------------------------------------


def _check_sides(sides: Sides) -> None:
    identity = (
        "select system_identifier::text || '/' || current_database() from pg_control_system()"
    )
    if scalar(sides.on_primary, identity) == scalar(sides.on_replica, identity):
        raise UsageError(
            f"primary and replica are the same database ({sides.primary.address}); "
            "REPLICA_URL must name another database, on the same server or on a second one"
        )
    for database, connection in (
        (sides.primary, sides.on_primary),
        (sides.replica, sides.on_replica),
    ):
        if connection.info.server_version < 150000:
            raise SyncError(
                f"the {database.side} at {database.address} is PostgreSQL "
                f"{connection.info.server_version // 10000}; publications with column lists need "
                "15 or newer"
            )
    if (level := scalar(sides.on_primary, "show wal_level")) != "logical":
        raise SyncError(
            f"the primary at {sides.primary.address} has wal_level = {level}; replication needs "
            "logical: alter system set wal_level = 'logical', then restart it"
        )


# --- the replica's side -----------------------------------------------------------------------


def _sql_file(name: str) -> str:
    return resources.files("runner.sql").joinpath(name).read_text()


def _prepare_replica(replica: Connection, changed: Report) -> None:
    """Roles of dbt and of the marts' readers, and the schema of change capture."""
    is_superuser = scalar(replica, "select rolsuper from pg_roles where rolname = current_user")
    for role in ("transformer", "bi_reader"):
        if scalar(replica, "select 1 from pg_roles where rolname = %s", (role,)) is None:
            with replica.transaction():
                replica.execute(sql.SQL("create role {} nologin").format(sql.Identifier(role)))
                replica.execute(
                    sql.SQL("comment on role {} is {}").format(
                        sql.Identifier(role), sql.Literal(MADE_BY)
                    )
                )
            changed(f"replica: role {role} created")
        if role == "transformer" and not is_superuser:
            replica.execute("grant transformer to current_user")
    if scalar(replica, "select to_regclass('signal_marts.builds')") is None:
        with replica.transaction():
            replica.execute(_sql_file("change_capture.sql"))
            replica.execute("grant usage on schema signal_marts to transformer")
            replica.execute("grant select on all tables in schema signal_marts to transformer")
        changed("replica: change capture installed")
    if not scalar(
        replica, "select has_database_privilege('transformer', current_database(), 'create')"
    ):
        replica.execute(
            sql.SQL("grant create on database {} to transformer").format(
                sql.Identifier(replica.info.dbname)
            )
        )


def _extend_landing(
    replica: Connection,
    contract: Sequence[Table],
    primary: Mapping[str, Relation],
    changed: Report,
) -> None:
    """Create missing landing tables and columns; a column of another type is made anew."""
    landing = read_relations(replica, contract)
    for table in contract:
        existing = landing.get(table.qualified)
        if existing is None:
            with replica.transaction():
                _create_landing(replica, table, primary[table.qualified].key)
            changed(f"replica: landing table {table.qualified} created")
            continue
        if "_xid" not in existing.columns:
            raise SyncError(
                f"the replica has a table {table.qualified} that is not a landing table; "
                "REPLICA_URL must name a database of its own"
            )
        if existing.key != primary[table.qualified].key:
            raise SyncError(
                f"the primary key of {table.qualified} is now "
                f"({', '.join(primary[table.qualified].key)}), on the replica "
                f"({', '.join(existing.key)}); drop that landing table on the replica, then deploy"
            )
        for column, data_type in table.columns:
            if existing.columns.get(column) == data_type:
                continue
            if column in existing.key:
                raise SyncError(
                    f"the key column {table.qualified}.{column} is {existing.columns[column]} on "
                    f"the replica and {data_type} in the sources; drop that landing table on the "
                    "replica, then deploy"
                )
            _add_column(replica, table, column, data_type)
            changed(f"replica: column {table.qualified}.{column} added, to be copied again")


def _create_landing(replica: Connection, table: Table, key: Sequence[str]) -> None:
    """A landing table with change capture; run it in a transaction."""
    replica.execute(sql.SQL("create schema if not exists {}").format(sql.Identifier(table.schema)))
    replica.execute(
        sql.SQL("grant usage on schema {} to transformer").format(sql.Identifier(table.schema))
    )
    columns = [
        sql.SQL("{} {}").format(sql.Identifier(name), _type(data_type))
        for name, data_type in table.columns
    ]
    replica.execute(
        sql.SQL(
            "create table {} ({}, _xid xid8 not null default pg_current_xact_id(), "
            "primary key ({}))"
        ).format(_identifier(table), sql.SQL(", ").join(columns), _names(key))
    )
    replica.execute(
        sql.SQL(_sql_file("landing_triggers.sql")).format(
            table=_identifier(table),
            key_literals=sql.SQL(", ").join(sql.Literal(name) for name in key),
            key_changed=sql.SQL(" or ").join(
                sql.SQL("old.{0} is distinct from new.{0}").format(sql.Identifier(name))
                for name in key
            ),
        )
    )


def _add_column(replica: Connection, table: Table, column: str, data_type: str) -> None:
    """Add a column and remember that its rows must come again, in one transaction."""
    with replica.transaction():
        # Views of staging may hang on a column whose type changes: the next build makes them anew.
        replica.execute(
            sql.SQL("alter table {} drop column if exists {} cascade").format(
                _identifier(table), sql.Identifier(column)
            )
        )
        replica.execute(
            sql.SQL("alter table {} add column {} {}").format(
                _identifier(table), sql.Identifier(column), _type(data_type)
            )
        )
        replica.execute(
            "insert into signal_marts.pending_copies values (%s) on conflict do nothing",
            (table.qualified,),
        )


def _pending_copies(replica: Connection) -> set[str]:
    return {
        name for (name,) in replica.execute("select table_name from signal_marts.pending_copies")
    }


def _leftovers(replica: Connection, contract: Sequence[Table]) -> list[tuple[str, str, str | None]]:
    """Landing columns, and whole landing tables (column None), that the contract no longer has."""
    wanted = {table.qualified: set(table.column_names) for table in contract}
    rows = replica.execute(
        """
        select n.nspname, c.relname, array_agg(a.attname::text order by a.attnum)
        from pg_trigger as t
        inner join pg_class as c on t.tgrelid = c.oid
        inner join pg_namespace as n on c.relnamespace = n.oid
        inner join pg_attribute as a
            on c.oid = a.attrelid and a.attnum > 0 and not a.attisdropped and a.attname <> '_xid'
        where t.tgname = 'signal_marts_stamp_change'
        group by n.nspname, c.relname
        """
    ).fetchall()
    leftovers: list[tuple[str, str, str | None]] = []
    for schema, name, columns in rows:
        kept = wanted.get(f"{schema}.{name}")
        if kept is None:
            leftovers.append((schema, name, None))
        else:
            leftovers += [(schema, name, column) for column in columns if column not in kept]
    return leftovers


def _drop_leftovers(
    replica: Connection, leftovers: Sequence[tuple[str, str, str | None]], changed: Report
) -> None:
    for schema, name, column in leftovers:
        table = sql.Identifier(schema, name)
        if column is None:
            replica.execute(sql.SQL("drop table {} cascade").format(table))
            changed(f"replica: landing table {schema}.{name} dropped")
        else:
            replica.execute(
                sql.SQL("alter table {} drop column {} cascade").format(
                    table, sql.Identifier(column)
                )
            )
            changed(f"replica: column {schema}.{name}.{column} dropped")


# --- the primary's side -----------------------------------------------------------------------


def _grant_reading(primary: Connection, contract: Sequence[Table], changed: Report) -> None:
    """The replicator may read what is published, column by column, and nothing else."""
    for table in contract:
        lacking = [
            name
            for (name,) in primary.execute(
                "select name from unnest(%s::text[]) as names (name)"
                " where not has_column_privilege(%s, %s::text, name, 'select')",
                (list(table.column_names), REPLICATOR, _identifier(table).as_string(primary)),
            )
        ]
        if lacking:
            primary.execute(
                sql.SQL("grant select ({}) on {} to {}").format(
                    _names(lacking), _identifier(table), sql.Identifier(REPLICATOR)
                )
            )
            changed(f"primary: {REPLICATOR} may read {len(lacking)} columns of {table.qualified}")


def _publish(primary: Connection, contract: Sequence[Table], changed: Report) -> None:
    wanted = {table.qualified: set(table.column_names) for table in contract}
    existing = scalar(primary, "select 1 from pg_publication where pubname = %s", (PUBLICATION,))
    if existing is None:
        # TRUNCATE is left out: on the replica it would fire no row trigger.
        primary.execute(
            sql.SQL(
                "create publication {} for table {} with (publish = 'insert, update, delete',"
                " publish_via_partition_root = true)"
            ).format(sql.Identifier(PUBLICATION), _published(contract))
        )
        changed(f"primary: publication of {len(contract)} tables created")
    elif _published_columns(primary) != wanted:
        _set_published(primary, contract)
        changed(f"primary: publication set to {len(contract)} tables")


def _published_columns(primary: Connection) -> dict[str, set[str]]:
    rows = primary.execute(
        "select schemaname || '.' || tablename, attnames::text[]"
        " from pg_publication_tables where pubname = %s",
        (PUBLICATION,),
    )
    return {name: set(columns) for name, columns in rows}


def _set_published(primary: Connection, tables: Sequence[Table]) -> None:
    primary.execute(
        sql.SQL("alter publication {} set table {}").format(
            sql.Identifier(PUBLICATION), _published(tables)
        )
    )


def _published(tables: Sequence[Table]) -> sql.Composed:
    return sql.SQL(", ").join(
        sql.SQL("{} ({})").format(_identifier(table), _names(table.column_names))
        for table in tables
    )


# --- slot and subscription --------------------------------------------------------------------


def slot_name(replica: Connection) -> str:
    """Name of the slot on the primary: one for each replica database."""
    return "signal_marts_" + re.sub(r"[^a-z0-9_]", "_", replica.info.dbname.lower())[:50]


def _subscription_exists(replica: Connection) -> bool:
    return (
        scalar(
            replica,
            "select 1 from pg_subscription where subname = %s and subdbid ="
            " (select oid from pg_database where datname = current_database())",
            (SUBSCRIPTION,),
        )
        is not None
    )


def _subscribe(sides: Sides, changed: Report) -> None:
    slot = slot_name(sides.on_replica)
    state = sides.on_primary.execute(
        "select active, wal_status, database from pg_replication_slots where slot_name = %s",
        (slot,),
    ).fetchone()
    address = Database("primary", sides.replication_url or sides.primary.url).address
    if not _subscription_exists(sides.on_replica):
        if state is not None and state[0]:
            raise SyncError(
                f"slot {slot} on the primary is in use by another replica whose database has the "
                "same name; give this replica's database another name"
            )
        if state is not None and state[1] == "lost":
            # No subscription reads it, so nothing is lost with it: the copy starts afresh.
            sides.on_primary.execute("select pg_drop_replication_slot(%s)", (slot,))
            state = None
        if state is None:
            # Made beforehand: within one server CREATE SUBSCRIPTION would wait for itself.
            sides.on_primary.execute(
                "select pg_create_logical_replication_slot(%s, 'pgoutput')", (slot,)
            )
            changed(f"primary: slot {slot} created")
        # A landing table that held rows before, such as those of a subscription that was dropped
        # by hand, would meet them again in the copy.
        _empty_landing(sides.on_replica)
        sides.on_replica.execute(
            sql.SQL(
                "create subscription {} connection {} publication {} with"
                " (create_slot = false, slot_name = {}, disable_on_error = true)"
            ).format(
                sql.Identifier(SUBSCRIPTION),
                sql.Literal(_connection_string(sides)),
                sql.Identifier(PUBLICATION),
                sql.Literal(slot),
            )
        )
        _remember_address(sides.on_replica, address)
        changed(f"replica: subscription to {address} created")
        return
    if state is None or state[1] == "lost":
        raise SyncError(
            f"slot {slot} on the primary is {'missing' if state is None else 'lost'}, so changes "
            f"are missing on the replica; drop the subscription there (alter subscription "
            f"{SUBSCRIPTION} disable; alter subscription {SUBSCRIPTION} set (slot_name = none); "
            f"drop subscription {SUBSCRIPTION}), then deploy: everything is copied again"
        )
    enabled, remembered = sides.on_replica.execute(
        "select subenabled, obj_description(oid, 'pg_subscription') from pg_subscription"
        " where subname = %s and subdbid ="
        " (select oid from pg_database where datname = current_database())",
        (SUBSCRIPTION,),
    ).fetchone() or (False, None)
    if remembered != address or not state[0]:
        # The primary moved, or nobody reads the slot: the password may no longer be right.
        sides.on_replica.execute(
            sql.SQL("alter subscription {} connection {}").format(
                sql.Identifier(SUBSCRIPTION), sql.Literal(_connection_string(sides))
            )
        )
        _remember_address(sides.on_replica, address)
        changed(f"replica: subscription connects to {address} anew")
    if not enabled:
        sides.on_replica.execute(
            sql.SQL("alter subscription {} enable").format(sql.Identifier(SUBSCRIPTION))
        )
        changed("replica: subscription enabled")


def _empty_landing(replica: Connection) -> None:
    tables = replica.execute(
        "select tgrelid::regclass::text from pg_trigger where tgname = 'signal_marts_stamp_change'"
    ).fetchall()
    with replica.transaction():
        for (name,) in tables:
            # DELETE, not TRUNCATE: the keys must reach the change log.
            replica.execute(sql.SQL("delete from {}").format(sql.SQL(name)))


def _remember_address(replica: Connection, address: str) -> None:
    replica.execute(
        sql.SQL("comment on subscription {} is {}").format(
            sql.Identifier(SUBSCRIPTION), sql.Literal(address)
        )
    )


def _connection_string(sides: Sides) -> str:
    """What the replica connects with: REPLICATION_URL, or the replicator with a new password."""
    if sides.replication_url is not None:
        return sides.replication_url
    password = secrets.token_urlsafe(24)
    # The server gets the SCRAM verifier only, so that no statement log can hold the password.
    verifier = sides.on_primary.pgconn.encrypt_password(
        password.encode(), REPLICATOR.encode(), b"scram-sha-256"
    ).decode()
    try:
        sides.on_primary.execute(
            sql.SQL("alter role {} login replication password {}").format(
                sql.Identifier(REPLICATOR), sql.Literal(verifier)
            )
        )
    except psycopg.errors.InsufficientPrivilege as error:
        raise SyncError(
            f"the primary's user may not give {REPLICATOR} a login with REPLICATION "
            f"({error.diag.message_primary}); make such a login yourself and set REPLICATION_URL"
        ) from None
    reached = {
        name: value
        for name, value in sides.primary.parameters().items()
        if name in ("host", "hostaddr", "port", "dbname", "sslmode", "sslrootcert")
    }
    reached.setdefault("dbname", sides.on_primary.info.dbname)
    return make_conninfo("", **reached, user=REPLICATOR, password=password)


def _withdraw(sides: Sides, contract: Sequence[Table], names: set[str], changed: Report) -> None:
    """Take tables out of the publication and empty them, so that they will be copied again."""
    kept = [table for table in contract if table.qualified not in names]
    if set(_published_columns(sides.on_primary)) & names:
        _set_published(sides.on_primary, kept)
    _refresh_subscription(sides.on_replica)
    with sides.on_replica.transaction():
        for table in contract:
            if table.qualified in names:
                # DELETE, not TRUNCATE: the keys must reach the change log.
                sides.on_replica.execute(sql.SQL("delete from {}").format(_identifier(table)))
    changed(f"replica: {', '.join(sorted(names))} emptied, to be copied again")


def _refresh(sides: Sides, contract: Sequence[Table], changed: Report) -> None:
    wanted = {table.qualified for table in contract}
    if fence.subscribed_tables(sides.on_replica) != wanted:
        _refresh_subscription(sides.on_replica)
        changed("replica: subscription refreshed")


def _refresh_subscription(replica: Connection) -> None:
    replica.execute(
        sql.SQL("alter subscription {} refresh publication").format(sql.Identifier(SUBSCRIPTION))
    )


# --- taking it back ---------------------------------------------------------------------------


def remove(sides: Sides) -> None:
    """Take subscription, slot, publication and the replicator's grants away; both may be gone."""
    if _subscription_exists(sides.on_replica):
        # Detached from the slot first, or dropping it would wait for the primary.
        for action in ("disable", "set (slot_name = none)"):
            sides.on_replica.execute(
                sql.SQL("alter subscription {} " + action).format(sql.Identifier(SUBSCRIPTION))
            )
        sides.on_replica.execute(
            sql.SQL("drop subscription {}").format(sql.Identifier(SUBSCRIPTION))
        )
    slot = slot_name(sides.on_replica)
    sides.on_primary.execute(
        "select pg_terminate_backend(active_pid, 10000) from pg_replication_slots"
        " where slot_name = %s and active",
        (slot,),
    )
    sides.on_primary.execute(
        "select pg_drop_replication_slot(slot_name) from pg_replication_slots"
        " where slot_name = %s",
        (slot,),
    )
    sides.on_primary.execute(
        sql.SQL("drop publication if exists {}").format(sql.Identifier(PUBLICATION))
    )
    if scalar(sides.on_primary, "select to_regrole(%s)", (REPLICATOR,)) is not None:
        sides.on_primary.execute(
            sql.SQL("revoke all on all tables in schema public from {}").format(
                sql.Identifier(REPLICATOR)
            )
        )


# --- names ------------------------------------------------------------------------------------


def _identifier(table: Table) -> sql.Identifier:
    return sql.Identifier(table.schema, table.name)


def _names(names: Sequence[str]) -> sql.Composed:
    return sql.SQL(", ").join(map(sql.Identifier, names))


def _type(data_type: str) -> sql.SQL:
    # The contract admits known type names only, so this is no way in for anything else.
    return sql.SQL(data_type)
