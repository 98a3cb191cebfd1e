"""A build: the fence, one moment for all tables, and dbt."""

from __future__ import annotations

import dataclasses
import math
import os
from collections.abc import Callable, Iterator, Mapping, Sequence, Set
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING

import psycopg

from runner.build import books, transform
from runner.build.lineage import Lineage
from runner.errors import Failure, SignalMartsError
from runner.progress import Advance, note
from runner.replication import fence, mapped, partitions
from runner.servers import role_logins
from runner.servers.contract import read_contract
from runner.servers.database import Connection, Database, has_transaction_timeout, scalar
from runner.servers.deploy_lock import LockedError, check_direct
from runner.servers.sides import connected
from runner.words import plural

if TYPE_CHECKING:
    from dbt.contracts.graph.manifest import Manifest


class NotDeployedError(SignalMartsError):
    """The replica is not yet what this version of the project deploys."""

    exit_code = 4


def build(
    primary: Database,
    replica: Database,
    *,
    fence_timeout: float,
    advance: Advance,
    select: Sequence[str] = (),
    exclude: Sequence[str] = (),
    full_refresh: bool = False,
    target: Path | None = None,
    report: Callable[[str], None] = lambda line: None,
) -> transform.Build:
    """Build the marts from all that the primary had committed when this was called.

    ``fence_timeout`` is in seconds; ``target`` is dbt's output folder; ``report`` is told the
    models that are built in addition to a selection (closed_upward). Raises FenceError if the
    replica does not catch up, and LockedError if another build or a watch is at work, or a plain
    dbt does not end its staging models in that time.
    """
    with one_build(replica, "build"):
        with connected(primary, replica) as sides:
            contract = read_contract()
            mapped.check(sides.on_replica)
            fence.wait(sides.on_primary, sides.on_replica, contract, timeout=fence_timeout)
            # For status to tell.
            partitions.look(
                sides.on_primary, sides.on_replica, contract, fence_timeout=fence_timeout
            )
        with frozen(replica, timeout=fence_timeout) as environment:
            built = transform.build(
                environment,
                advance=advance,
                select=select,
                exclude=exclude,
                full_refresh=full_refresh,
                target=target,
                widen=closed_upward(replica, report) if select or exclude else None,
            )
        return _with_rows_found(replica, built)


def closed_upward(replica: Database, report: Callable[[str], None]) -> transform.Widen:
    """A function that adds to a selection the outdated models above it.

    For a build whose moment is frozen: then all parents of a model are of that moment. The books
    are read here, before dbt runs.
    """
    # What builds own is read with no more rights than theirs.
    with role_logins.as_role(replica, "transformer").connect(autocommit=True) as session:
        found = books.read(session)

    def widen(project: Manifest, selected: Set[str]) -> Set[str]:
        needed = Lineage(project).needed(selected, found)
        if needed:
            models = "1 model" if len(needed) == 1 else f"{len(needed)} models"
            report(f"also builds {models} that they read: {', '.join(sorted(needed.values()))}")
        return needed.keys()

    return widen


def _with_rows_found(replica: Database, built: transform.Build) -> transform.Build:
    """The same build, with some failing rows in the messages of tests.

    dbt only counts failing rows; the build history has them (macros/changes/record_build.sql).
    """
    if not (built.failures or built.warnings):
        return built
    # What builds own is read with no more rights than theirs.
    with role_logins.as_role(replica, "transformer").connect() as session:
        messages = dict(
            session.execute(
                "select node_id, message from changes.build_results"
                " where build_id = %s and node_type = 'test' and message is not null",
                (built.id,),
            ).fetchall()
        )
    return dataclasses.replace(
        built,
        nodes=tuple(
            dataclasses.replace(node, message=messages.get(node.id, node.message))
            for node in built.nodes
        ),
    )


def rejected_rows(replica: Connection) -> dict[str, int]:
    """Number of unusable rows (operations.rejected_rows), by table name."""
    if scalar(replica, "select to_regclass('changes.rejected_rows')") is None:
        return {}
    return dict(
        replica.execute(
            "select source_table, count(distinct row_key) from changes.rejected_rows"
            " group by source_table order by source_table"
        ).fetchall()
    )


@contextmanager
def one_build(replica: Database, command: str) -> Iterator[None]:
    """Hold the lock of builds; raise LockedError where another runner holds it.

    The lock ends with the session that holds it, however the runner ends.
    """
    with replica.connect(autocommit=True, application=f"signal-marts {command}") as session:
        check_direct(replica, session)
        session.execute("begin")
        try:
            session.execute("lock table signal_marts.build_lock in exclusive mode nowait")
        except psycopg.errors.LockNotAvailable:
            session.execute("rollback")
            holder = session.execute(
                "select a.application_name, a.pid from pg_locks as l"
                " inner join pg_stat_activity as a on l.pid = a.pid"
                " where l.granted and l.mode = 'ExclusiveLock'"
                " and l.relation = 'signal_marts.build_lock'::regclass"
                " and l.database = (select oid from pg_database where datname = current_database())"
            ).fetchone()
            who = "another build" if holder is None else f"{holder[0]} (server process {holder[1]})"
            raise LockedError(
                f"{who} is building on {replica.address}; wait for it to end"
            ) from None
        except (psycopg.errors.UndefinedTable, psycopg.errors.InvalidSchemaName):
            raise NotDeployedError(
                f"the replica at {replica.address} has no table signal_marts.build_lock; "
                "run signal-marts deploy"
            ) from None
        try:
            yield
        finally:
            # Given back at the end: a server misses a closed connection a moment later.
            with suppress(psycopg.Error):
                session.execute("rollback")


@contextmanager
def frozen(replica: Database, *, timeout: float) -> Iterator[Mapping[str, str]]:
    """Let every model of staging read the landing tables as of this moment.

    Yields the environment to run dbt in (macros/changes/frozen_moment.sql). No plain dbt builds a
    staging model meanwhile: the runner waits for a plain dbt that does, and raises LockedError
    after ``timeout`` seconds.
    """
    with replica.connect(
        autocommit=True,
        application="signal-marts moment",
        options=f"-c lock_timeout={math.ceil(timeout * 1000)}",
    ) as holder:
        builder = role_logins.as_role_on(holder, replica, "transformer")
        holder.isolation_level = psycopg.IsolationLevel.REPEATABLE_READ
        with holder.transaction():
            try:
                # Before the moment: a lock needs no snapshot.
                holder.execute("lock table signal_marts.staging_lock in exclusive mode")
            except psycopg.errors.LockNotAvailable:
                raise LockedError(
                    f"a plain dbt is building models of staging on {replica.address};"
                    " wait for it to end"
                ) from None
            snapshot = scalar(holder, "select pg_export_snapshot()")
            environment = {**builder.environment(), "SIGNAL_MARTS_MOMENT": str(snapshot)}
            if has_transaction_timeout(holder):
                given = environment.get("PGOPTIONS", os.environ.get("PGOPTIONS", ""))
                environment["PGOPTIONS"] = f"{given} -c transaction_timeout=0".strip()
            yield environment


def report_build(result: transform.Build) -> None:
    """Report a build's results, warnings too; raise Failure naming failed models and tests."""
    for node in result.warnings:
        note(f"warning: {node.kind} {node.name}: {node.message}")
    models, tests = (sum(n.kind == kind for n in result.nodes) for kind in ("model", "test"))
    if result.failures:
        lines = [f"  - {n.kind} {n.name}: {n.status}: {n.message}" for n in result.failures]
        raise Failure(
            f"{len(result.failures)} of {models + tests} models and tests failed, and "
            f"{result.skipped} that need them were skipped:\n" + "\n".join(lines)
        )
    passed = tests - len(result.warnings)
    note(f"built {plural(models, 'model')}; {plural(passed, 'test')} passed")
