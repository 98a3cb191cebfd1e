"""Deploy: wider landing columns, the migrations on the primary, then replication to fit both."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from runner.deploy import archive_files, id_sequences, migrations
from runner.platform import mapping
from runner.replication import archives, fence, landing, mapped, sync, trial_copy
from runner.replication import login as replication_login
from runner.replication.preconditions import reader
from runner.servers.changes import Changes
from runner.servers.contract import Table, read_contract
from runner.servers.database import Connection, Database
from runner.servers.deploy_lock import WORKER, one_at_a_time
from runner.servers.relations import check_platform, read_relations
from runner.servers.sides import Sides, connected


@contextmanager
def working_alone(
    primary: Database, replica: Database, replication_url: str | None = None
) -> Iterator[tuple[Connection, Sides]]:
    """The locks of both sides: yields the session with the primary's lock, and connections.

    Raises LockedError if another runner holds a lock.
    """
    with (
        one_at_a_time(primary) as session,
        one_at_a_time(replica),
        # Only now: taking the lock ended the sessions of a killed runner.
        connected(primary, replica, replication_url, application=WORKER) as sides,
    ):
        yield session, sides


def deploy(
    primary: Database,
    replica: Database,
    *,
    lock_timeout: float,
    fence_timeout: float,
    report: Callable[[str], None],
    replication_url: str | None = None,
    resync: Sequence[str] | None = None,
    archive: Path | None = None,
) -> list[str]:
    """Bring both sides to the project's state; return the changes, a line each.

    Timeouts are in seconds. The platform's tables are checked before anything is changed. Tables
    with changes that the replica missed are copied again; ``resync`` names tables to copy again in
    any case, empty for all; ``archive`` is the folder of archived rows. Raises FenceError if the
    replica does not catch up in time: the copy goes on by itself; UnreplicableRowError for a row
    that does not fit the replica's types; ArchiveError where archived rows cannot be loaded.
    """
    contract = read_contract()
    with working_alone(primary, replica, replication_url) as (session, sides):
        changes = Changes(report)
        _check(sides, contract, changes)
        # Before the primary's: a column that a migration widens may get a wider value at once.
        landing.widen(sides.on_replica, contract, changes)
        applied = migrations.apply(
            primary,
            session,
            lock_timeout=lock_timeout,
            report=report,
            key_types=_key_types(sides.on_primary, contract),
        )
        id_sequences.mend(sides.on_primary, changes)
        try:
            _converge(sides, contract, changes, fence_timeout, resync, archive)
        except (fence.BrokenReplicationError, fence.DisabledError) as error:
            # Disabled although it was just enabled: it cannot apply a change. Copying again helps
            # unless a row that is still there would stop the copy as well.
            trial_copy.check(sides.on_primary, sides.on_replica, contract)
            report(f"{error}: doing so now")
            _converge(sides, contract, changes, fence_timeout, (), archive)
    return [*applied, *changes.made]


def _key_types(primary: Connection, contract: Sequence[Table]) -> dict[str, str]:
    """Types of the keys by which signals name patterns and plans.

    A foreign key needs the platform's own type: the mapping lists a UUID as the text that it is on
    the replica.
    """
    platform, relations = mapping.read(), read_relations(primary, contract)
    types = {}
    for name, role in (("pattern", "micro_patterns"), ("trade_plan", "trade_plans")):
        types[name] = platform.key_type(role)
        if types[name] == "text":
            column = str(platform.roles[role].columns["id"].expression.column)
            if relations[platform.roles[role].table].columns[column] == "uuid":
                types[name] = "uuid"
    return types


def _check(sides: Sides, contract: Sequence[Table], changes: Changes) -> None:
    """Raise where a deploy would fail later, before it writes anything.

    Only tables that keep the platform from writing leave the publication at once.
    """
    platform = mapping.read()
    mapped.check_types(sides.on_replica, platform)
    mapped.check_keys(platform, read_relations(sides.on_primary, contract))
    sync.check_sides(sides, contract)
    sync.release_platform(sides, contract, changes)
    replication_login.check(sides)
    check_platform(sides.on_primary, contract, reader(sides.replication_url))


def _converge(
    sides: Sides,
    contract: Sequence[Table],
    changes: Changes,
    fence_timeout: float,
    resync: Sequence[str] | None,
    archive: Path | None,
) -> None:
    sync.sync(sides, contract, changes, fence_timeout=fence_timeout, resync=resync)
    mapped.sync(sides.on_replica, mapping.read(), changes)
    try:
        fence.wait(sides.on_primary, sides.on_replica, contract, timeout=fence_timeout)
    except fence.NotLoadedError:
        missing = archives.not_loaded(sides.on_primary, sides.on_replica, contract)
        for table in contract:
            found = archives.read(sides.on_primary, table)
            if table.qualified in missing and found is not None:
                archive_files.load(sides, table, found, archive, changes)
        fence.wait(sides.on_primary, sides.on_replica, contract, timeout=fence_timeout)


def show(
    primary: Database,
    replica: Database,
    *,
    report: Callable[[str], None],
    replication_url: str | None = None,
    resync: Sequence[str] | None = None,
) -> None:
    """Report the statements that a deploy would run, side by side; nothing is written."""
    contract = read_contract()
    with connected(primary, replica, replication_url) as sides:
        changes = Changes(report, is_dry_run=True)
        _check(sides, contract, changes)
        migrations.check_ledger(sides.on_primary)
        landing.widen(sides.on_replica, contract, changes)
        pending = migrations.state(sides.on_primary).pending
        for name in pending:
            changes.run(
                "primary",
                f"migration {name} applied",
                sides.on_primary,
                migrations.statements(name),
            )
        if not pending:
            id_sequences.mend(sides.on_primary, changes)
        sync.sync(sides, contract, changes, fence_timeout=0, resync=resync)
        mapped.sync(sides.on_replica, mapping.read(), changes)
