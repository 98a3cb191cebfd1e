"""Old rows leave the primary: to a file, while the replica and the marts keep them.

Each step can be repeated, and none deletes what the file and the replica do not both have, so that
the same command again finishes a killed one.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from psycopg import sql

from runner.deploy import archive_files, migrations
from runner.deploy.deploy import working_alone
from runner.errors import SignalMartsError, UsageError
from runner.extras import need
from runner.progress import Advance
from runner.replication import archives, comparison, fence, landed, login, partitions
from runner.replication.archives import File
from runner.servers.contract import Table, read_contract
from runner.servers.database import Connection, Database, scalar
from runner.servers.planted import guarded
from runner.servers.relations import MADE_BY
from runner.servers.sides import Sides

# Of a table, so many are read in one transaction that deletes: some ten thousands of rows.
_BLOCKS = 500

# Its partitions that hold rows, or the table itself, with their upper bound.
_LEAVES = """
    select c.oid, n.nspname, c.relname, case
        when t.level = 1
        then substring(pg_get_expr(c.relpartbound, c.oid) from $$TO \\('([^']+)'\\)$$)::timestamptz
    end
    from pg_class as c
    inner join pg_namespace as n on c.relnamespace = n.oid
    left join pg_partition_tree(%(table)s) as t on c.oid = t.relid
    where c.relkind = 'r' and (c.oid = %(table)s::regclass or t.isleaf)
    order by 1
"""


class DifferingSidesError(SignalMartsError):
    """The replica has not the rows that are to be archived."""


@dataclass(frozen=True)
class _Work:
    sides: Sides
    table: Table
    until: datetime
    lock_timeout: float
    report: Callable[[str], None]

    @contextmanager
    def writing(self) -> Iterator[Connection]:
        """A transaction of the primary in which nobody's code runs, and no lock is waited for
        long."""
        primary, name = self.sides.on_primary, self.table.qualified
        with guarded(primary, name):
            primary.execute(f"set local lock_timeout = {int(self.lock_timeout * 1000)}")
            primary.execute("set local statement_timeout = 0")
            refers = scalar(
                primary,
                "select string_agg(what, ', ') from ("
                " select pg_describe_object('pg_constraint'::regclass, oid, 0) as what"
                " from pg_constraint where confrelid = %s::regclass and contype = 'f'"
                " union all select pg_describe_object('pg_trigger'::regclass, oid, 0)"
                # Of those, the eighth bit says that a trigger is of DELETE.
                " from pg_trigger where tgtype & 8 <> 0 and not tgisinternal and tgrelid in ("
                " select %s::regclass union select relid from pg_partition_tree(%s))) as found",
                (self.table.identifier.as_string(),) * 3,
            )
            if refers:
                raise UsageError(
                    f"{name} is not archived while rows of it are referred to: {refers}"
                )
            yield primary

    def run(self, what: str, *statements: sql.Composed) -> None:
        """Run statements on the primary in one transaction; again if it gets no lock."""

        def work() -> None:
            with self.writing() as primary:
                for statement in statements:
                    primary.execute(statement)

        migrations.patiently(work, what, self.report)


def archive(
    primary: Database,
    replica: Database,
    name: str,
    until: datetime,
    folder: Path,
    *,
    lock_timeout: float,
    fence_timeout: float,
    report: Callable[[str], None],
    advance: Advance,
) -> File:
    """Move rows of before ``until`` from the primary to a file in ``folder``.

    ``name`` is the table's, ``schema.table``; timeouts are in seconds. Raises UsageError for a
    table that cannot be archived, and where another archive must be ended first,
    DifferingSidesError, ArchiveError, FenceError and MigrationError.
    """
    need("parquet")
    contract = read_contract()
    table = next((each for each in contract if each.qualified == name), None)
    if table is None or name not in archives.TIME_COLUMNS:
        raise UsageError(
            f"{name} cannot be archived, only {', '.join(archives.TIME_COLUMNS)}: it has a time in "
            "its key, so that no archived row can come again, and no row of another table refers "
            "to one of it"
        )
    with working_alone(primary, replica) as (_, sides):
        work = _Work(sides, table, until, lock_timeout, report)
        files = _begin(work)
        fence.wait(sides.on_primary, sides.on_replica, contract, timeout=fence_timeout)
        since = files[-1].until if files else None
        if since == until:
            archive_files.check(folder, files[-1], advance)
        else:
            with sides.on_replica.transaction():
                for statement in archives.keeping(table, until):
                    sides.on_replica.execute(statement)
            wanted = archives.between(table, since, until)
            if not comparison.is_same(
                sides.on_primary, sides.on_replica, table, contract, fence_timeout, wanted
            ):
                landed.note_pending(sides.on_replica, [name])
                raise DifferingSidesError(
                    f"rows of {name} of before {until:%Y-%m-%d} are not the same on both sides: "
                    "somebody deletes them, or wrote to the landing table. Nothing was deleted; "
                    "run signal-marts deploy, which copies the table again, and then this again"
                )
            file = archive_files.write(sides, table, folder, since, until, advance)
            archive_files.check(folder, file, advance)
            files = (*files, file)
            work.run("noting the archive", archives.comment(table, files))
            report(f"{folder / file.name}: written, {file.rows:,} rows")
        _remove(work, advance)
        work.run("the proof that no archived row is left", archives.validation(table))
        partitions.look(sides.on_primary, sides.on_replica, contract, fence_timeout=fence_timeout)
    return files[-1]


def _begin(work: _Work) -> tuple[File, ...]:
    """Refuse rows of before the boundary, where that is not so yet; return the files so far."""
    primary, name, until = work.sides.on_primary, work.table.qualified, work.until
    if others := login.other_replicas(work.sides):
        raise UsageError(
            f"other replicas read {name} too, and would lose what is deleted; their slots on the "
            f"primary are {', '.join(others)}. Drop the slot of one that is gone"
        )
    if until > scalar(primary, "select now()"):
        raise UsageError(f"{until:%Y-%m-%d} is to come: rows of until then would be refused")
    identifier = work.table.identifier.as_string()
    comment = "select obj_description(to_regclass(%s), 'pg_class')"
    if scalar(primary, comment, (identifier,)) != MADE_BY:
        raise UsageError(f"{name} is the platform's own: only what a migration made is archived")
    found = archives.read(primary, work.table)
    files = () if found is None else found.files
    if found is not None and found.refused != until:
        earlier = f"{found.refused:%Y-%m-%d}"
        if not found.is_done:
            raise UsageError(f"end the archive of before {earlier} first: --before {earlier}")
        if until < found.refused:
            raise UsageError(f"rows of {name} of before {earlier} are archived already")
    if found is None or found.refused != until:
        statements = archives.refusal(work.table, until, files)
        work.run(f"refusing rows of {name} of before {until:%Y-%m-%d}", *statements)
        work.report(f"primary: {name} takes no row of before {until:%Y-%m-%d}")
    return files


def _remove(work: _Work, advance: Advance) -> None:
    """Delete the primary's archived rows; a partition that has no others is dropped."""
    primary = work.sides.on_primary
    leaves = []
    identifier = work.table.identifier.as_string()
    for oid, schema, name, bound in primary.execute(_LEAVES, {"table": identifier}).fetchall():
        leaf = sql.Identifier(schema, name)
        if bound is not None and bound.astimezone(UTC) <= work.until:
            work.run(f"dropping {schema}.{name}", sql.SQL("drop table {}").format(leaf))
            work.report(f"primary: partition {schema}.{name} dropped")
        else:
            size = "select pg_relation_size(%s::oid) / current_setting('block_size')::bigint"
            leaves += [(leaf, first) for first in range(0, scalar(primary, size, (oid,)), _BLOCKS)]
    # By place: a boundary in time is in no index, and each block is read once.
    for number, (leaf, first) in enumerate(leaves, start=1):
        work.run(
            "deleting archived rows",
            sql.SQL("delete from only {} where ctid >= {}::tid and ctid < {}::tid and {}").format(
                leaf,
                sql.Literal(f"({first},0)"),
                sql.Literal(f"({first + _BLOCKS},0)"),
                archives.between(work.table, None, work.until),
            ),
        )
        advance(number, len(leaves), "parts of the table searched")
