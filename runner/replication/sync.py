"""Replication made to fit the contract: landing tables, publication, slot and subscription.

``sync`` compares the contract with the catalogs of both sides and applies only the difference. Each
step can be repeated, so that the next run finishes a killed run. Tables that may have lost rows (a
lost slot, a publication edited by hand) are copied again; the primary's rows are only read.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import replace

import psycopg
from psycopg import sql

from runner.errors import SignalMartsError, UsageError
from runner.replication import fence, landed, landing, partitions, preconditions
from runner.replication import login as replication_login
from runner.replication.catalog import (
    Subscription,
    read_slot,
    read_subscription,
    slot_name,
    stuck_copies,
    subscribed_tables,
)
from runner.replication.login import REPLICATOR
from runner.servers.changes import Changes
from runner.servers.contract import Table
from runner.servers.database import Connection, Database, scalar
from runner.servers.relations import (
    PlatformMismatchError,
    present,
    problems,
    read_relations,
    stops_writes,
)
from runner.servers.sides import Sides

PUBLICATION = "signal_marts"
SUBSCRIPTION = "signal_marts"

_PUBLISHED = sql.SQL(
    "publish = 'insert, update, delete, truncate', publish_via_partition_root = true"
)


class SyncError(SignalMartsError):
    """Replication cannot be made to fit the contract."""


def sync(
    sides: Sides,
    contract: Sequence[Table],
    changes: Changes,
    *,
    fence_timeout: float,
    resync: Sequence[str] | None = None,
) -> None:
    """Bring replication to the contract.

    ``resync`` names tables (``schema.table``) to copy again in any state, or is empty for all;
    ``fence_timeout`` is in seconds. Raises PlatformMismatchError, UsageError or SyncError, before
    the first change if the fault can be known by then.
    """
    check_sides(sides, contract)
    relations = read_relations(sides.on_primary, contract)
    expected = present(sides.on_primary, contract) if changes.is_dry_run else contract
    reader = preconditions.reader(sides.replication_url)
    if mismatches := problems(sides.on_primary, expected, reader):
        raise PlatformMismatchError(mismatches)
    _check_names(contract, resync)

    others = replication_login.other_replicas(sides)
    if others:
        _check_published_to_others(sides, contract, others)
    landing.prepare(sides.on_replica, changes)
    landing.extend(sides.on_replica, contract, relations, changes)
    _grant_reading(sides.on_primary, expected, changes)

    # Read before anything is copied: partitions that come or go from now on are compared later.
    found_partitions = partitions.read(sides.on_primary, contract)
    everything = {table.qualified for table in contract}
    is_all_asked = resync is not None and not resync
    asked = everything if is_all_asked else set(resync or ())
    again = (
        landed.pending_copies(sides.on_replica)
        | _narrowed(sides, contract)
        | stuck_copies(sides.on_primary, sides.on_replica)
        | _different(sides, contract, changes, fence_timeout)
        | asked
    )
    if not changes.is_dry_run:
        # Noted first, so that a killed run does not lose it.
        landed.note_pending(sides.on_replica, again)
    why_anew = "asked for" if is_all_asked else _why_anew(sides, contract, again)
    if why_anew is None and again and others:
        # Taking a table out of the publication for a moment would lose its changes for other
        # replicas.
        why_anew = f"{', '.join(sorted(again))} must be, and {', '.join(others)} read them too"
    subscription = read_subscription(sides.on_replica)
    if subscription is None or why_anew is not None:
        if subscription is not None:
            changes.run("replica", f"all tables are copied again: {why_anew}", sides.on_replica)
        _publish(sides.on_primary, expected, changes)
        _create_subscription(sides, changes)
    else:
        _repair_subscription(sides, subscription, again, changes)
        if again:
            _withdraw(sides, contract, again, changes)
        _publish(sides.on_primary, expected, changes)
        _subscribe(sides, everything, changes)
    if changes.is_dry_run:
        found = landed.leftovers(sides.on_replica, contract)
        landing.drop_leftovers(sides.on_replica, found, changes)
        return
    partitions.note(sides.on_replica, found_partitions)
    sides.on_replica.execute("delete from signal_marts.pending_copies")
    _drop_orphaned_slots(sides)
    if sides.replication_url is None:
        replication_login.retire_shared_login(sides.on_primary)
    if found := landed.leftovers(sides.on_replica, contract):
        # Rows in flight still have the old columns: they must arrive before the columns are
        # dropped. Archived rows are loaded later.
        with suppress(fence.NotLoadedError):
            fence.wait(sides.on_primary, sides.on_replica, contract, timeout=fence_timeout)
        landing.drop_leftovers(sides.on_replica, found, changes)


def publication_differs(sides: Sides, contract: Sequence[Table]) -> bool:
    """Whether the publication is not as the contract says; nothing is written."""
    on_primary = sides.on_primary
    return _published(on_primary) != _wanted(contract) or not _publishes_all_changes(on_primary)


def remove(sides: Sides) -> None:
    """Remove subscription, slot, publication and the replicator's grants; any may be gone.

    Objects that other replicas of the platform read stay.
    """
    remove_from_replica(sides.on_replica)
    others = replication_login.other_replicas(sides)
    if (slot := slot_name(sides.on_replica)) not in others:
        _drop_slot(sides.on_primary, slot)
    replication_login.drop_login(sides)
    if others:
        return
    sides.on_primary.execute("drop publication if exists signal_marts")
    if scalar(sides.on_primary, "select to_regrole(%s)", (REPLICATOR,)) is not None:
        schemas = sides.on_primary.execute(
            "select distinct table_schema from information_schema.column_privileges"
            " where grantee = %s",
            (REPLICATOR,),
        ).fetchall()
        for (schema,) in schemas:
            name, role = sql.Identifier(schema), sql.Identifier(REPLICATOR)
            sides.on_primary.execute(
                sql.SQL("revoke all on all tables in schema {} from {}").format(name, role)
            )
            if schema != "public":  # that one's use came with a migration, and goes with it
                sides.on_primary.execute(
                    sql.SQL("revoke usage on schema {} from {}").format(name, role)
                )


def remove_from_replica(replica: Connection) -> None:
    """Remove the subscription without asking the primary, which may be down."""
    if read_subscription(replica) is not None:
        _drop_subscription(replica)


# --- before anything is touched ---------------------------------------------------------------


def check_sides(sides: Sides, contract: Sequence[Table]) -> None:
    """Raise UsageError or SyncError where these two servers cannot be replicated at all."""
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
    if (
        problem := next(preconditions.between(sides.on_primary, sides.on_replica, contract), None)
    ) is not None:
        raise SyncError(str(problem))


def release_platform(sides: Sides, contract: Sequence[Table], changes: Changes) -> None:
    """Stop publishing tables whose UPDATE and DELETE fail since they are published.

    The platform must be able to write in any case. Builds stop until the table is fixed and a
    deploy has copied it again.
    """
    published = _published(sides.on_primary) or {}
    relations = read_relations(sides.on_primary, contract)
    harmed = [
        table
        for table in contract
        if table.qualified in published.keys() & relations.keys()
        and stops_writes(relations[table.qualified], published[table.qualified])
    ]
    if not harmed:
        return
    names = ", ".join(table.qualified for table in harmed)
    changes.run(
        "primary",
        f"publication without {names}, so that UPDATE and DELETE no longer fail",
        sides.on_primary,
        sql.SQL("alter publication signal_marts drop table {}").format(
            sql.SQL(", ").join(table.identifier for table in harmed)
        ),
    )
    # If other replicas read the publication too, the subscription must keep the tables: from it, a
    # later deploy knows the changes that the others miss.
    if read_subscription(sides.on_replica) and not replication_login.other_replicas(sides):
        # The deploy that copies the tables again meets the same errors.
        with suppress(psycopg.Error):
            changes.run("replica", "subscription without them", sides.on_replica, _REFRESH)


def _check_names(contract: Sequence[Table], resync: Sequence[str] | None) -> None:
    known = {table.qualified for table in contract}
    if unknown := [name for name in resync or () if name not in known]:
        raise UsageError(
            f"no table {', '.join(unknown)} to copy again; known are {', '.join(sorted(known))}"
        )


def _check_published_to_others(
    sides: Sides, contract: Sequence[Table], others: Sequence[str]
) -> None:
    """Raise SyncError if changes were lost that other replicas cannot know of.

    Tables and columns in this replica's landing tables were published before, and were taken out.
    """
    had = landed.landing_tables(sides.on_replica)
    before = [
        replace(table, columns=tuple(c for c in table.columns if c[0] in had[table.qualified]))
        for table in contract
        if table.qualified in had
    ]
    if missing := sorted(_narrowed(sides, before)):
        names = ", ".join(others)
        raise SyncError(
            f"publication {PUBLICATION} lacks what it had of {', '.join(missing)}: it was edited "
            f"by hand, or deployed by another version of the project. Replicas other than this one "
            f"({names}) miss those changes too, and do not know of it. Drop their slots on the "
            "primary (select pg_drop_replication_slot(...)), then deploy each: it copies the "
            "tables again"
        )


def _why_anew(sides: Sides, contract: Sequence[Table], again: set[str]) -> str | None:
    """Why changes are lost for good, so that all tables must be copied; None if they are not."""
    slot = read_slot(sides.on_primary, slot_name(sides.on_replica))
    if slot is None:
        return "the slot is gone from the primary"
    if slot.is_lost:
        return "the slot is lost: the primary no longer has the log that it needs"
    subscription = read_subscription(sides.on_replica)
    if subscription is not None and subscription.slot != slot.name:
        return "the subscription was detached from its slot"
    if subscription is not None and subscription.publications != (PUBLICATION,):
        return "the subscription was pointed at another publication"
    if _published(sides.on_primary) is None:
        return "the publication is gone from the primary"
    if again >= {table.qualified for table in contract}:
        return "every table needs it"
    return None


# --- the primary's side -----------------------------------------------------------------------


def _grant_reading(primary: Connection, contract: Sequence[Table], changes: Changes) -> None:
    """Let the replicator read the published columns, and nothing else."""
    if scalar(primary, "select to_regrole(%s)", (REPLICATOR,)) is None:
        return  # Only a dry run gets here: the migration that makes it is still to come.
    for what, grant in missing_grants(primary, contract, REPLICATOR):
        changes.run("primary", f"{REPLICATOR} may {what}", primary, grant)


def missing_grants(
    primary: Connection, contract: Sequence[Table], role: str
) -> Iterator[tuple[str, sql.Composed]]:
    """What a role may not do that copying these tables takes, and the statement that lets it."""
    grantee = sql.Identifier(role)
    for schema in sorted({table.schema for table in contract}):
        if not scalar(primary, "select has_schema_privilege(%s, %s, 'usage')", (role, schema)):
            yield (
                f"use the schema {schema}",
                sql.SQL("grant usage on schema {} to {}").format(sql.Identifier(schema), grantee),
            )
    for table in contract:
        lacking = [
            name
            for (name,) in primary.execute(
                "select attname::text from pg_attribute"
                " where attrelid = to_regclass(%s) and attname = any(%s)"
                " and not has_column_privilege(%s, attrelid, attnum, 'select') order by attnum",
                (table.identifier.as_string(), list(table.column_names), role),
            )
        ]
        if lacking:
            yield (
                f"read {len(lacking)} columns of {table.qualified}",
                sql.SQL("grant select ({}) on {} to {}").format(
                    landing.names(lacking), table.identifier, grantee
                ),
            )


def _publish(primary: Connection, contract: Sequence[Table], changes: Changes) -> None:
    published = _published(primary)
    if published is None:
        changes.run(
            "primary",
            f"publication of {len(contract)} tables created",
            primary,
            "drop publication if exists signal_marts",
            sql.SQL("create publication signal_marts for table {} with ({})").format(
                _tables(contract), _PUBLISHED
            ),
            in_transaction=True,
        )
        return
    if published != _wanted(contract):
        changes.run(
            "primary",
            f"publication set to {len(contract)} tables",
            primary,
            sql.SQL("alter publication signal_marts set table {}").format(_tables(contract)),
        )
    if not _publishes_all_changes(primary):
        changes.run(
            "primary",
            "publication set to all kinds of changes",
            primary,
            sql.SQL("alter publication signal_marts set ({})").format(_PUBLISHED),
        )


def _wanted(contract: Sequence[Table]) -> dict[str, set[str]]:
    """Columns to publish by table, in the form of ``_published``."""
    return {table.qualified: set(table.column_names) for table in contract}


def _tables(contract: Sequence[Table]) -> sql.Composed:
    return sql.SQL(", ").join(
        sql.SQL("{} ({})").format(t.identifier, landing.names(t.column_names)) for t in contract
    )


def _published(primary: Connection) -> dict[str, set[str]] | None:
    """Published columns by table; a table with a row filter counts as publishing none of them.

    None where there is no publication, or one of all tables, which cannot be altered to another.
    """
    ours = "select 1 from pg_publication where pubname = 'signal_marts' and not puballtables"
    if not scalar(primary, ours):
        return None
    rows = primary.execute(
        "select schemaname || '.' || tablename,"
        " case when rowfilter is null then attnames::text[] else '{}' end"
        " from pg_publication_tables where pubname = 'signal_marts'"
    )
    return {name: set(columns) for name, columns in rows}


def _publishes_all_changes(primary: Connection) -> bool:
    return bool(
        scalar(
            primary,
            "select pubinsert and pubupdate and pubdelete and pubtruncate and pubviaroot"
            " from pg_publication where pubname = 'signal_marts'",
        )
    )


def _narrowed(sides: Sides, contract: Sequence[Table]) -> set[str]:
    """Subscribed tables that were published incompletely, so that changes are missing."""
    subscribed = subscribed_tables(sides.on_replica)
    published = _published(sides.on_primary) or {}
    everything = _publishes_all_changes(sides.on_primary)
    return {
        table.qualified
        for table in contract
        if table.qualified in subscribed
        and (not everything or set(table.column_names) - published.get(table.qualified, set()))
    }


def _different(
    sides: Sides, contract: Sequence[Table], changes: Changes, fence_timeout: float
) -> set[str]:
    """Tables that lack rows of a partition, or have too many; those that cannot be compared too."""
    subscribed = subscribed_tables(sides.on_replica)
    known = [table for table in contract if table.qualified in subscribed]
    differing = partitions.different(sides.on_replica) & subscribed
    if changes.is_dry_run:
        return differing
    slot = read_slot(sides.on_primary, slot_name(sides.on_replica))
    if slot is not None and slot.is_active:
        with suppress(fence.FenceError):
            return partitions.look(
                sides.on_primary, sides.on_replica, known, fence_timeout=fence_timeout
            )
    return differing | partitions.unseen(sides.on_primary, sides.on_replica, known)


def _drop_slot(primary: Connection, name: str) -> None:
    if not _is_leaving(primary, name):
        try:
            primary.execute(
                "select pg_terminate_backend(active_pid, 10000) from pg_replication_slots"
                " where slot_name = %s and database = current_database() and active",
                (name,),
            )
        except psycopg.errors.InsufficientPrivilege:
            login = sql.Identifier(primary.info.user).as_string()
            raise SyncError(
                f"slot {name} on the primary still has a reader, which {login} may not end; wait "
                "for its end (wal_sender_timeout), or grant pg_signal_backend to "
                f"{login}, and try again"
            ) from None
    primary.execute(
        "select pg_drop_replication_slot(slot_name) from pg_replication_slots"
        " where slot_name = %s and database = current_database()",
        (name,),
    )


def _drop_orphaned_slots(sides: Sides) -> None:
    """Drop slots of copies whose subscription is gone: the primary would keep its log for them.

    They remain if a subscription is dropped while the primary is down, or lost with its database.
    """
    server = scalar(sides.on_replica, "select system_identifier::text from pg_control_system()")
    living = sides.on_replica.execute("select oid::text from pg_subscription").fetchall()
    sides.on_primary.execute(
        "select pg_drop_replication_slot(slot_name) from pg_replication_slots"
        " where database = current_database() and not active"
        " and slot_name::text ~ ('^pg_[0-9]+_sync_[0-9]+_' || %s || '$')"
        " and split_part(slot_name::text, '_', 2) <> all(%s)",
        (server, [oid for (oid,) in living]),
    )


# --- the subscription -------------------------------------------------------------------------

_REFRESH = "alter subscription signal_marts refresh publication"


def _drop_subscription(replica: Connection) -> None:
    # Detached from the slot first, or dropping it would wait for the primary.
    replica.execute("alter subscription signal_marts disable")
    replica.execute("alter subscription signal_marts set (slot_name = none)")
    replica.execute("drop subscription signal_marts")


def _create_subscription(sides: Sides, changes: Changes) -> None:
    """Make the subscription again, in place of an existing one, and empty the landing tables."""
    name = slot_name(sides.on_replica)
    given = "" if changes.is_dry_run else replication_login.connection_string(sides)
    if not changes.is_dry_run:
        # Before anything is removed: with a login that cannot connect, nothing could be restored.
        replication_login.use_connection(sides, given)
        if read_subscription(sides.on_replica) is not None:
            _drop_subscription(sides.on_replica)
        slot = read_slot(sides.on_primary, name)
        if slot is not None and slot.is_active and not _is_leaving(sides.on_primary, name):
            raise SyncError(
                f"slot {name} on the primary is in use by another replica whose database has the "
                "same name; give this replica's database another name"
            )
        # No subscription reads the slot, and the copy will bring all rows.
        _drop_slot(sides.on_primary, name)
    # Made beforehand: within one server CREATE SUBSCRIPTION would wait for itself.
    changes.run(
        "primary",
        f"slot {name} created",
        sides.on_primary,
        sql.SQL("select pg_create_logical_replication_slot({}, 'pgoutput')").format(
            sql.Literal(name)
        ),
    )
    _connect(
        sides,
        changes,
        f"subscription to {_address(sides)} created",
        given,
        f"create subscription {SUBSCRIPTION} connection %L publication {PUBLICATION}"
        f" with (create_slot = false, slot_name = {name})",
        # Rows of an earlier subscription would collide with the copy.
        before=landing.empty(sorted(landed.landing_tables(sides.on_replica))),
    )


def _connect(
    sides: Sides,
    changes: Changes,
    what: str,
    given: str,
    statement: str,
    before: Sequence[sql.Composed] = (),
) -> None:
    """Run a statement with the connection string ``given`` for its ``%L``, and note the route."""
    # The string itself is hidden from all but superusers.
    comment = sql.SQL("comment on subscription signal_marts is {}").format(
        sql.Literal(replication_login.wanted_route(sides))
    )
    if changes.is_dry_run:
        shown = sql.SQL(statement.replace("%L", "'…'"))
        changes.run("replica", what, sides.on_replica, *before, shown, comment)
        return
    with sides.on_replica.transaction():
        for each in before:
            sides.on_replica.execute(each)
        replication_login.use_connection(sides, given, statement)
        sides.on_replica.execute(comment)
    changes.run("replica", what, sides.on_replica)


def _is_leaving(primary: Connection, slot: str) -> bool:
    """Whether the slot's reader leaves within a moment, as after a drop by this runner."""
    for _ in range(50):
        found = read_slot(primary, slot)
        if found is None or not found.is_active:
            return True
        primary.execute("select pg_sleep(0.1)")
    return False


def _repair_subscription(
    sides: Sides, subscription: Subscription, again: set[str], changes: Changes
) -> None:
    """Make an existing subscription connect and run; its slot exists and is not lost."""
    slot = read_slot(sides.on_primary, slot_name(sides.on_replica))
    if slot is None:
        return
    # The route changed, or no worker reads the slot: the password may be wrong. It must be right if
    # tables are to be taken out for a moment.
    if (
        subscription.route != replication_login.wanted_route(sides)
        or again
        or (
            not slot.is_active
            and not (subscription.is_enabled and _is_connecting(sides, slot.name))
        )
    ):
        _connect(
            sides,
            changes,
            f"subscription connects to {_address(sides)} anew",
            "" if changes.is_dry_run else replication_login.connection_string(sides),
            f"alter subscription {SUBSCRIPTION} connection %L",
        )
    if not subscription.is_enabled:
        # Rows that would collide with the next changes go first, if they are to be copied again.
        changes.run(
            "replica",
            "subscription enabled",
            sides.on_replica,
            *landing.empty(sorted(again & set(landed.landing_tables(sides.on_replica)))),
            "alter subscription signal_marts enable",
        )


def _is_connecting(sides: Sides, slot: str) -> bool:
    """Whether the worker comes by itself: after a restart of either server it waits a little."""
    seconds = scalar(
        sides.on_replica,
        "select setting::integer / 1000 from pg_settings"
        " where name = 'wal_retrieve_retry_interval'",
    )
    for _ in range(10 * (3 + seconds)):
        found = read_slot(sides.on_primary, slot)
        if found is not None and found.is_active:
            return True
        sides.on_primary.execute("select pg_sleep(0.1)")
    return False


def _withdraw(sides: Sides, contract: Sequence[Table], again: set[str], changes: Changes) -> None:
    """Take tables out of the subscription, so that they are copied again when they come back."""
    kept = [table for table in contract if table.qualified not in again]
    changes.run(
        "primary",
        f"publication without {', '.join(sorted(again))} for a moment",
        sides.on_primary,
        sql.SQL("alter publication signal_marts set table {}").format(_tables(kept)),
    )
    changes.run("replica", "subscription without them", sides.on_replica, _REFRESH)


def _subscribe(sides: Sides, wanted: set[str], changes: Changes) -> None:
    """Make the subscription know the published tables; new tables are copied."""
    subscribed = subscribed_tables(sides.on_replica)
    if subscribed == wanted:
        return
    new = sorted((wanted - subscribed) & set(landed.landing_tables(sides.on_replica)))
    if new:
        # Earlier rows would collide with the copy. The lock waits for a transaction that is being
        # applied: its rows must not come after the emptying.
        changes.run(
            "replica",
            f"{', '.join(new)} emptied, to be copied",
            sides.on_replica,
            *landing.lock(new),
            *landing.empty(new),
            in_transaction=True,
        )
    changes.run("replica", "subscription refreshed", sides.on_replica, _REFRESH)


def _address(sides: Sides) -> str:
    return Database("primary", sides.replication_url or sides.primary.url).address
