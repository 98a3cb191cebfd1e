"""The way back: the last migrations undone, with publication and landing tables following."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

from psycopg import sql

from runner.deploy import migrations
from runner.deploy.deploy import working_alone
from runner.errors import SignalMartsError, UsageError
from runner.replication import landed, landing, sync
from runner.replication import login as replication_login
from runner.replication.catalog import read_subscription, slot_name
from runner.servers.changes import Changes
from runner.servers.contract import Table, read_contract
from runner.servers.database import Connection, ConnectionFailedError, Database, scalar
from runner.servers.planted import plain
from runner.servers.sides import Sides, connected

# The project's own bookkeeping, which no other table refers to.
_BOOKKEEPING = ("public.ai_replication_fence", "public.ai_migration_ledger")
_YOYO_TABLES = ("_yoyo_log", "_yoyo_migration", "_yoyo_version", "yoyo_lock")


class DataLossError(SignalMartsError):
    """A rollback would delete rows."""

    def __init__(self, rows: Mapping[str, int]) -> None:
        held = ", ".join(f"{count:,} rows of {name}" for name, count in sorted(rows.items()))
        super().__init__(
            f"this would delete {held}; nothing was changed. Keep them with pg_dump --table, then "
            "say --discard-data"
        )
        self.rows = dict(rows)


def roll_back(
    primary: Database,
    replica: Database,
    count: int,
    *,
    lock_timeout: float,
    fence_timeout: float,
    report: Callable[[str], None],
    discard_data: bool = False,
    is_dry_run: bool = False,
) -> list[str]:
    """Undo the last ``count`` migrations, the newest first, and return their names.

    Timeouts are in seconds. Raises DataLossError if rows would be deleted, UsageError if there are
    fewer migrations, and LedgerError if a rollback file was edited. A dry run reports the
    statements instead of running them.
    """
    with working_alone(primary, replica) as (session, sides):
        if others := replication_login.other_replicas(sides):
            raise UsageError(
                f"other replicas follow this platform ({', '.join(others)}) and would lose their "
                "tables; uninstall those first, or where one is gone for good, drop its slot: "
                "select pg_drop_replication_slot(...) on the primary"
            )
        migrations.check_ledger(session)
        names = migrations.to_roll_back(session, count)
        if len(names) < count:
            raise UsageError(f"only {len(names)} migrations are applied; roll back at most those")
        going = _tables_dropped(session, names)
        rows = _rows(sides.on_primary, going) | _rows_too_wide(
            sides.on_primary, _columns_narrowed(names), going
        )
        if is_dry_run:
            for name, held in rows.items():
                report(f"-- primary: {name} holds {held:,} rows, which would be deleted")
        elif rows and not discard_data:
            raise DataLossError(rows)
        changes = Changes(report, is_dry_run)
        _withdraw(sides, going, _columns_dropped(names), changes, fence_timeout)
        if is_dry_run:
            for name in names:
                text = migrations.statements(name, rollback=True)
                changes.run("primary", f"migration {name} rolled back", sides.on_primary, text)
        else:
            migrations.roll_back(primary, session, names, lock_timeout=lock_timeout, report=report)
    return names


def uninstall(
    primary: Database,
    replica: Database,
    *,
    lock_timeout: float,
    fence_timeout: float,
    report: Callable[[str], None],
    discard_data: bool = False,
) -> None:
    """Leave the platform as it was before the first deploy; the marts stay where they are.

    If another replica follows the platform, only this replica's objects are removed. Raises
    DataLossError if AI tables hold rows. If the primary cannot be reached, the replica detaches
    from it, and ConnectionFailedError names the remaining steps.
    """
    try:
        with connected(primary, replica) as sides:
            applied = len(migrations.state(sides.on_primary).applied)
            others = replication_login.other_replicas(sides)
    except ConnectionFailedError as error:
        with replica.connect(autocommit=True) as connection:
            sync.remove_from_replica(connection)
            slot = slot_name(connection)
        raise ConnectionFailedError(
            f"{error}. The replica has let go of it; when the primary is back, run uninstall again "
            f"(until then its slot {slot} keeps its log)"
        ) from None
    if applied and not others:
        roll_back(
            primary,
            replica,
            applied,
            lock_timeout=lock_timeout,
            fence_timeout=fence_timeout,
            report=report,
            discard_data=discard_data,
        )
    with working_alone(primary, replica) as (_, sides):
        _end_replication(sides, Changes(report))
        if others:
            report(f"primary: the rest stays for {', '.join(others)}, which follow it too")
            return
        # A platform may have migrations of its own by yoyo, in the same tables.
        for name in () if migrations.applied_names(sides.on_primary) else _YOYO_TABLES:
            sides.on_primary.execute(
                sql.SQL("drop table if exists {}").format(sql.Identifier("public", name))
            )
    report("primary: as it was before the first deploy")


def _tables_dropped(connection: Connection, names: Sequence[str]) -> list[str]:
    """Qualified names of the existing tables of ours that rolling back would drop."""
    found = set(_said(names, r"\bdrop\s+table\s+(?:if\s+exists\s+)?((?:public|retraining)\.\w+)"))
    # A table that the platform had before us under such a name stays: it is not the migrator's.
    rows = connection.execute(
        "select schemaname || '.' || tablename from pg_tables"
        " where (tableowner = 'migrator' or schemaname = 'retraining')"
        " and schemaname || '.' || tablename = any(%s) order by 1",
        (sorted(found),),
    )
    return [name for (name,) in rows]


def _columns_dropped(names: Sequence[str]) -> set[tuple[str, str]]:
    """Qualified table and name of each column that rolling back would drop, its table staying."""
    return set(_said(names, r"\balter\s+table\s+(public\.\w+)\s+drop\s+column\s+(\w+)"))


def _columns_narrowed(names: Sequence[str]) -> Mapping[str, Sequence[tuple[str, int, int]]]:
    """By qualified table: name, precision and scale of the numerics that rolling back would narrow.

    A rollback names them as ``('table', 'column', 'numeric(20, 8)'``.
    """
    found = defaultdict(list)
    for table, column, precision, scale in _said(
        names, r"\('(\w+)', '(\w+)', 'numeric\((\d+), (\d+)\)'"
    ):
        found[f"public.{table}"].append((column, int(precision), int(scale)))
    return found


def _said(names: Sequence[str], pattern: str) -> Iterator[Any]:
    """What a pattern finds in the rollbacks of these migrations."""
    for name in names:
        text = migrations.statements(name, rollback=True)
        yield from re.findall(pattern, text, re.IGNORECASE)


def _rows(primary: Connection, tables: Sequence[str]) -> dict[str, int]:
    counts = {}
    for name in tables:
        if name not in _BOOKKEEPING:
            table = sql.Identifier(*name.split(".", 1))
            with plain(primary, name):
                counts[name] = scalar(
                    primary, sql.SQL("select count(*) from {}").format(table).as_string(primary)
                )
    return {name: count for name, count in counts.items() if count}


def _rows_too_wide(
    primary: Connection,
    narrowed: Mapping[str, Sequence[tuple[str, int, int]]],
    going: Sequence[str],
) -> dict[str, int]:
    """Rows of remaining tables that do not fit the narrower columns of before."""
    counts = {}
    for name in narrowed.keys() - going:
        conditions = (
            sql.SQL("{0} <> round({0}, {1}) or abs({0}) >= 10::numeric ^ {2}").format(
                sql.Identifier(column), sql.Literal(scale), sql.Literal(precision - scale)
            )
            for column, precision, scale in narrowed[name]
        )
        with plain(primary, name):
            counts[name] = scalar(
                primary,
                sql.SQL("select count(*) from {} where {}")
                .format(sql.Identifier(*name.split(".", 1)), sql.SQL(" or ").join(conditions))
                .as_string(primary),
            )
    return {name: count for name, count in counts.items() if count}


def _withdraw(
    sides: Sides,
    going: Sequence[str],
    columns_going: Collection[tuple[str, str]],
    changes: Changes,
    fence_timeout: float,
) -> None:
    """Take dropped columns out of replication first: PostgreSQL cannot drop a published column."""
    if "public.ai_replication_fence" in going:
        # Without the fence's token no build can know which changes have arrived.
        _end_replication(sides, changes)
        return
    if read_subscription(sides.on_replica) is None:
        return
    contract = read_contract()
    kept = tuple(
        _without(table, columns_going) for table in contract if table.qualified not in going
    )
    if kept != contract:
        sync.sync(sides, kept, changes, fence_timeout=fence_timeout)


def _without(table: Table, going: Collection[tuple[str, str]]) -> Table:
    kept = (column for column in table.columns if (table.qualified, column[0]) not in going)
    return replace(table, columns=tuple(kept))


def _end_replication(sides: Sides, changes: Changes) -> None:
    changes.run(
        "primary", "publication and slot dropped, and the replicator's grants", sides.on_primary
    )
    if not changes.is_dry_run:
        sync.remove(sides)
    tables = [(name, None) for name in sorted(landed.landing_tables(sides.on_replica))]
    landing.drop_leftovers(sides.on_replica, tables, changes)
