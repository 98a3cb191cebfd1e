"""Status: migrations, replication and marts, as both databases tell."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from psycopg import sql

from runner import migrations
from runner.contract import read_contract
from runner.database import Connection, Database, scalar
from runner.deploy import connected
from runner.fence import subscribed_tables
from runner.sync import slot_name

MART_SCHEMAS = ("ensemble", "performance", "training", "operations")


@dataclass(frozen=True)
class Replication:
    """The slot and the subscription; None where there is none."""

    slot: str
    is_slot_active: bool | None
    wal_status: str | None
    lag_bytes: int | None
    safe_wal_bytes: int | None
    is_enabled: bool | None
    tables_wanted: int
    tables_ready: int


@dataclass(frozen=True)
class Mart:
    """A mart: its rows, and the newest fact it holds."""

    schema: str
    name: str
    rows: int
    available_at: datetime | None


@dataclass(frozen=True)
class LastBuild:
    """A finished build."""

    started_at: datetime
    seconds: float
    is_success: bool
    nodes: int
    failures: int


@dataclass(frozen=True)
class Status:
    """All that ``signal-marts status`` shows; ``problems`` is empty when all is well."""

    migrations_on_disk: int
    migrations_pending: tuple[str, ...]
    replication: Replication
    marts: tuple[Mart, ...]
    last_builds: tuple[LastBuild, ...]
    problems: tuple[str, ...]


def status(primary: Database, replica: Database) -> Status:
    """Look at both sides; nothing is written."""
    state = migrations.state(primary)
    with connected(primary, replica) as sides:
        replication = _replication(sides.on_primary, sides.on_replica)
        marts = _marts(sides.on_replica)
        builds = _last_builds(sides.on_replica)
    problems = []
    if state.pending:
        problems.append(f"{len(state.pending)} migrations are pending; run signal-marts deploy")
    if replication.is_enabled is None:
        problems.append("the replica has no subscription; run signal-marts deploy")
    elif not replication.is_enabled:
        problems.append("the subscription is disabled; see the replica's log, then deploy")
    if replication.wal_status is None:
        problems.append(f"the primary has no slot {replication.slot}; run signal-marts deploy")
    elif replication.wal_status == "lost":
        problems.append(f"slot {replication.slot} is lost: the replica misses changes")
    elif not replication.is_slot_active:
        problems.append(f"nobody reads slot {replication.slot}; the primary keeps its log for it")
    if replication.tables_ready < replication.tables_wanted:
        problems.append(
            f"{replication.tables_ready} of {replication.tables_wanted} tables are replicated"
        )
    if not builds:
        problems.append("nothing was built yet; run signal-marts build")
    elif not builds[0].is_success:
        problems.append(f"the last build had {builds[0].failures} failures")
    return Status(len(state.on_disk), state.pending, replication, marts, builds, tuple(problems))


def _replication(primary: Connection, replica: Connection) -> Replication:
    slot = slot_name(replica)
    active, wal_status, lag, safe = primary.execute(
        "select active, wal_status,"
        " pg_wal_lsn_diff(pg_current_wal_lsn(), confirmed_flush_lsn)::bigint, safe_wal_size"
        " from pg_replication_slots where slot_name = %s",
        (slot,),
    ).fetchone() or (None, None, None, None)
    enabled = scalar(
        replica,
        "select subenabled from pg_subscription where subname = 'signal_marts' and subdbid ="
        " (select oid from pg_database where datname = current_database())",
    )
    wanted = {table.qualified for table in read_contract()}
    copying = {
        name
        for (name,) in replica.execute(
            "select n.nspname || '.' || c.relname from pg_subscription_rel as r"
            " inner join pg_class as c on r.srrelid = c.oid"
            " inner join pg_namespace as n on c.relnamespace = n.oid"
            " where r.srsubstate <> 'r'"
        )
    }
    return Replication(
        slot=slot,
        is_slot_active=active,
        wal_status=wal_status,
        lag_bytes=lag,
        safe_wal_bytes=safe,
        is_enabled=None if enabled is None else bool(enabled),
        tables_wanted=len(wanted),
        tables_ready=len((wanted & subscribed_tables(replica)) - copying),
    )


def _marts(replica: Connection) -> tuple[Mart, ...]:
    tables = replica.execute(
        "select n.nspname, c.relname, exists ("
        " select from pg_attribute as a where a.attrelid = c.oid and a.attname = 'available_at')"
        " from pg_class as c inner join pg_namespace as n on c.relnamespace = n.oid"
        " where n.nspname = any(%s) and c.relkind in ('r', 'v', 'm') order by 1, 2",
        (list(MART_SCHEMAS),),
    ).fetchall()
    marts = []
    for schema, name, has_time in tables:
        newest = sql.SQL("max(available_at)" if has_time else "null::timestamptz")
        row = replica.execute(
            sql.SQL("select count(*), {} from {}").format(newest, sql.Identifier(schema, name))
        ).fetchone()
        rows, available_at = row or (0, None)
        marts.append(Mart(schema, name, rows, available_at))
    return tuple(marts)


def _last_builds(replica: Connection) -> tuple[LastBuild, ...]:
    if scalar(replica, "select to_regclass('signal_marts.builds')") is None:
        return ()
    return tuple(
        LastBuild(*row)
        for row in replica.execute(
            "select started_at, extract(epoch from finished_at - started_at)::float8,"
            " is_success, nodes, failures from signal_marts.builds order by id desc limit 5"
        )
    )
