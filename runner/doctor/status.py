"""Status: migrations, replication and marts, as both databases tell."""

from __future__ import annotations

import dataclasses
import json
import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

import psycopg
from psycopg import sql

from runner.build.builds import rejected_rows
from runner.deploy import id_sequences, migrations
from runner.replication import health
from runner.replication.catalog import (
    Slot,
    Subscription,
    copying_tables,
    read_slot,
    read_subscription,
    slot_name,
    subscribed_tables,
)
from runner.replication.preconditions import reader
from runner.retraining import jobs
from runner.retraining.jobs import Job
from runner.servers import relations, role_logins
from runner.servers.contract import read_contract
from runner.servers.database import Connection, Database, scalar
from runner.servers.planted import PlantedError
from runner.servers.sides import Sides, connected
from runner.settings import PROJECT
from runner.words import plural

MART_SCHEMAS = ("ensemble", "performance", "training", "operations")


@dataclass(frozen=True)
class Replication:
    """Slot and subscription; None where there is none. ``lag_seconds`` is None while idle."""

    slot: Slot | None
    subscription: Subscription | None
    lag_seconds: float | None
    tables_wanted: tuple[str, ...]
    tables_missing: tuple[str, ...]
    tables_copying: tuple[str, ...]


@dataclass(frozen=True)
class Mart:
    """A mart: its rows, and the newest fact it holds; both None where ``trouble`` says why."""

    schema: str
    name: str
    rows: int | None
    available_at: datetime | None
    trouble: str | None = None


@dataclass(frozen=True)
class LastBuild:
    """A finished build; ``failed`` are the models and tests that failed, by name."""

    started_at: datetime
    seconds: float
    is_success: bool
    nodes: int
    failures: int
    failed: Sequence[str]


@dataclass(frozen=True)
class Status:
    """All that ``signal-marts status`` shows; ``problems`` is empty when all is well.

    ``rejected_rows`` has the number of rows that cannot be used of each table with some,
    ``audit_findings`` that of findings on signals of each severity with some: they stay, and are no
    problem of the system.
    ``retrainings`` are those that wait, run or are dead, and the last other one of each model.
    """

    migrations_on_disk: tuple[str, ...]
    migrations_pending: tuple[str, ...]
    replication: Replication
    marts: tuple[Mart, ...]
    last_builds: tuple[LastBuild, ...]
    rejected_rows: Mapping[str, int]
    audit_findings: Mapping[str, int]
    retrainings: tuple[Job, ...]
    problems: tuple[str, ...]


def status(
    primary: Database,
    replica: Database,
    replication_url: str | None = None,
    *,
    compare: Callable[[Connection, Connection], Iterable[str]] | None = None,
) -> Status:
    """Check both sides; nothing is written, except the differences that ``compare`` finds."""
    with connected(primary, replica, replication_url) as sides:
        state = migrations.state(sides.on_primary)
        replication = _replication(sides.on_primary, sides.on_replica)
        marts, builds, rejected, audited = _built(replica)
        retrainings = jobs.open_or_last(sides.on_primary) if jobs.is_there(sides.on_primary) else ()
        problems = [
            *(compare(sides.on_primary, sides.on_replica) if compare is not None else ()),
            *_migration_problems(sides.on_primary, state),
            *_table_problems(sides),
            *map(str, health.find(sides, read_contract())),
            *_mart_problems(marts, builds),
            *_retraining_problems(retrainings),
        ]
    return Status(
        state.on_disk,
        state.pending,
        replication,
        marts,
        builds,
        rejected,
        audited,
        retrainings,
        tuple(problems),
    )


def _built(
    replica: Database,
) -> tuple[tuple[Mart, ...], tuple[LastBuild, ...], dict[str, int], dict[str, int]]:
    """Marts, builds, rejected rows and findings, read with the rights of the builds' role only."""
    try:
        builder = role_logins.as_role(replica, "transformer")
    except role_logins.NoLoginError:
        return (), (), {}, {}
    with builder.connect(autocommit=True) as connection:
        return (
            read_marts(connection),
            last_builds(connection),
            rejected_rows(connection),
            _audit_findings(connection),
        )


def _migration_problems(primary: Connection, state: migrations.State) -> Iterator[str]:
    if state.pending:
        yield f"{len(state.pending)} migrations are pending; run signal-marts deploy"
    else:
        try:
            for lag in id_sequences.find_lags(primary):
                yield f"{lag}; run signal-marts deploy"
        except (PlantedError, psycopg.errors.InsufficientPrivilege) as error:
            yield f"the sequences of ids were not looked at: {error}"
    try:
        migrations.check_ledger(primary)
    except migrations.LedgerError as error:
        yield from error.problems


def _table_problems(sides: Sides) -> Iterator[str]:
    """The platform's tables, and those of ours that the migrations have made."""
    tables = relations.present(sides.on_primary, read_contract())
    for problem in relations.problems(sides.on_primary, tables, reader(sides.replication_url)):
        yield str(problem)


def _replication(primary: Connection, replica: Connection) -> Replication:
    wanted = {table.qualified for table in read_contract()}
    return Replication(
        slot=read_slot(primary, slot_name(replica)),
        subscription=read_subscription(replica),
        lag_seconds=scalar(
            primary,
            "select extract(epoch from r.replay_lag)::float8 from pg_replication_slots as s"
            " inner join pg_stat_replication as r on s.active_pid = r.pid where s.slot_name = %s",
            (slot_name(replica),),
        ),
        tables_wanted=tuple(sorted(wanted)),
        tables_missing=tuple(sorted(wanted - subscribed_tables(replica))),
        tables_copying=tuple(sorted(copying_tables(replica))),
    )


def _mart_problems(marts: Sequence[Mart], builds: Sequence[LastBuild]) -> Iterator[str]:
    yield from build_problems(builds)
    if builds and (missing := missing_marts(marts)):
        yield f"marts that are not there: {', '.join(missing)}; run signal-marts build"
    for mart in marts:
        if mart.trouble is not None:
            yield f"the mart {mart.schema}.{mart.name} cannot be read: {mart.trouble}"


def build_problems(builds: Sequence[LastBuild]) -> Iterator[str]:
    """What is wrong with the last of these builds."""
    if not builds:
        yield "nothing was built yet; run signal-marts build"
    elif not builds[0].is_success:
        named = f": {', '.join(builds[0].failed)}" if builds[0].failed else ""
        yield f"the last build had {plural(builds[0].failures, 'failure')}{named}"


def missing_marts(marts: Sequence[Mart]) -> list[str]:
    """Qualified names of the project's marts that are not among these, sorted."""
    # Of a mart, the folder is its schema, as dbt_project.yml says.
    files = (PROJECT / "models" / "marts").glob("*/*.sql")
    wanted = {f"{file.parent.name}.{file.stem}" for file in files}
    return sorted(wanted - {f"{mart.schema}.{mart.name}" for mart in marts})


def read_marts(replica: Connection) -> tuple[Mart, ...]:
    """All marts of the autocommit connection's database, each by itself."""
    tables = replica.execute(
        "select n.nspname, c.relname, exists ("
        " select from pg_attribute as a where a.attrelid = c.oid and a.attname = 'available_at')"
        " from pg_class as c inner join pg_namespace as n on c.relnamespace = n.oid"
        " where n.nspname = any(%s) and c.relkind in ('r', 'v', 'm') order by 1, 2",
        (list(MART_SCHEMAS),),
    ).fetchall()
    return tuple(_mart(replica, *table) for table in tables)


def _mart(replica: Connection, schema: str, name: str, has_time: bool) -> Mart:
    newest = sql.SQL("max(available_at)" if has_time else "null::timestamptz")
    try:
        row = replica.execute(
            sql.SQL("select count(*), {} from {}").format(newest, sql.Identifier(schema, name))
        ).fetchone()
    # A value that Python cannot hold, a missing privilege, a table that a build is replacing.
    except psycopg.Error as error:
        if replica.broken:
            raise
        return Mart(schema, name, None, None, error.diag.message_primary or str(error))
    rows, available_at = row or (0, None)
    return Mart(schema, name, rows, available_at)


def _audit_findings(replica: Connection) -> dict[str, int]:
    """Number of findings on signals, by severity; none where the mart cannot be read."""
    try:
        return dict(
            replica.execute(
                "select severity, count(*) from operations.signal_audit group by 1 order by 1"
            ).fetchall()
        )
    # read_marts tells of a mart that is missing, or cannot be read.
    except psycopg.Error:
        if replica.broken:
            raise
        return {}


def last_builds(replica: Connection) -> tuple[LastBuild, ...]:
    """The last builds, newest first."""
    if scalar(replica, "select to_regclass('changes.builds')") is None:
        return ()
    return tuple(
        LastBuild(*row)
        for row in replica.execute(
            "select started_at, extract(epoch from finished_at - started_at)::float8,"
            " is_success, nodes, failures, array("
            " select r.node_name from changes.build_results as r where r.build_id = b.build_id"
            " and r.status not in ('success', 'pass', 'skipped', 'warn') order by 1)"
            " from changes.builds as b order by started_at desc limit 5"
        )
    )


def _retraining_problems(retrainings: Sequence[Job]) -> Iterator[str]:
    for job in retrainings:
        named = f"retraining {job.id} of {job.model}"
        if job.state == "dead":
            yield f"{named} is dead: its worker is gone; run signal-marts worker"
        elif job.state == "failed":
            yield (
                f"{named} failed: {job.in_short}; mend it, and signal-marts retrain --model"
                f" {job.model}"
            )


def as_json(found: Status) -> str:
    """One JSON object for any content: values that JSON cannot express are strings."""
    return json.dumps(_plain(dataclasses.asdict(found)), indent=2, allow_nan=False)


def _plain(value: object) -> object:
    if isinstance(value, dict):
        return {str(name): _plain(each) for name, each in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(each) for each in value]
    if isinstance(value, datetime):
        return value.isoformat()
    if (
        value is None
        or isinstance(value, str | int)
        or (isinstance(value, float) and math.isfinite(value))
    ):
        return value
    return str(value)
