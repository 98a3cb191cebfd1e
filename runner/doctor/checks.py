"""The doctor's checks of the contract, the migrations and the environment, and the table of all.

Each check is a small function that yields findings; none of them writes.
"""

from __future__ import annotations

import os
import shlex
from collections.abc import Callable, Iterator, Mapping
from datetime import datetime

from runner.deploy import id_sequences, migrations
from runner.doctor import status
from runner.doctor.audit import noting
from runner.doctor.findings import (
    OPTIONS,
    Finding,
    Given,
    Server,
    is_same_place,
    ok,
    quoted,
    quoted_table,
    warning,
    wrong,
)
from runner.doctor.privileges import (
    privileges_on_primary,
    privileges_on_replica,
    roles_on_primary,
    roles_on_replica,
)
from runner.doctor.replication import (
    base_backups,
    copies,
    defaults,
    replicating,
    replication_logins,
    replicator,
    route,
    side_by_side,
    two_databases,
)
from runner.doctor.servers import (
    clock,
    clocks,
    disk,
    encryption,
    pooler,
    room_on_primary,
    room_on_replica,
    statistics,
    transactions,
    version,
)
from runner.errors import UsageError
from runner.platform import mapping
from runner.replication import landed
from runner.replication.faults import DEPLOY, listed
from runner.replication.preconditions import reader
from runner.servers import role_logins
from runner.servers.database import Database, scalar
from runner.servers.relations import present, problems, read_relations
from runner.settings import PROJECT

# --- the contract and the migrations ------------------------------------------------------------


def platform(primary: Server, given: Given) -> Iterator[Finding]:
    """The platform's tables as the sources say."""
    tables = [table for table in given.contract if table.source != "ai"]
    found = problems(primary.connection, tables, reader(given.replication_url))
    for problem in found:
        yield wrong(problem.text, problem.mend)
    if tables and not found:
        yield ok(f"{len(tables)} tables are as the sources say")


def ai_tables(primary: Server, given: Given) -> Iterator[Finding]:
    """The AI tables as the sources say, if the migrations or another login made them."""
    tables = [table for table in given.contract if table.source == "ai"]
    is_pending = bool(migrations.state(primary.connection).pending)
    if is_pending:
        tables = present(primary.connection, tables)
    found = problems(primary.connection, tables, reader(given.replication_url))
    for problem in found:
        yield wrong(problem.text, problem.mend)
    if is_pending or not tables:
        return
    if not found:
        yield ok(f"{len(tables)} tables are as the sources say")
    yield from _foreign_keys(primary, given)


def id_sequences_past(primary: Server, _: Given) -> Iterator[Finding]:
    """Sequences that are past the ids that are stored."""
    if migrations.state(primary.connection).pending:
        return
    lags = id_sequences.find_lags(primary.connection)
    for lag in lags:
        yield wrong(str(lag), "run signal-marts deploy")
    if not lags:
        yield ok("every id that will be given out is free")


def _foreign_keys(primary: Server, given: Given) -> Iterator[Finding]:
    """A signal's links: where the platform's tables have other names, the migration made none.

    If a referenced table is renamed and replaced, the key still points at the renamed table: then
    no signal can name a new pattern.
    """
    roles = mapping.read().roles
    for column, name in (("pattern_id", "micro_patterns"), ("trade_plan_id", "trade_plans")):
        if (role := roles.get(name)) is None:
            continue
        target, key = role.table, str(role.columns["id"].expression.column)
        has_target = scalar(
            primary.connection, "select to_regclass(%s) is not null", (quoted_table(target),)
        )
        constraint = f"ai_trading_signals_{column}_fkey"
        added = (
            f"add constraint {constraint} foreign key ({column}) "
            f"references {quoted_table(target)} ({quoted(key)}) on delete set null not valid;"
            + ("" if has_target else "  -- with your table in its place")
        )
        keys = primary.connection.execute(
            "select k.conname::text, n.nspname || '.' || c.relname from pg_constraint as k"
            " inner join pg_attribute as a on k.conrelid = a.attrelid and a.attnum = any(k.conkey)"
            " inner join pg_class as c on k.confrelid = c.oid"
            " inner join pg_namespace as n on c.relnamespace = n.oid"
            " where k.contype = 'f' and k.conrelid = to_regclass('public.ai_trading_signals')"
            # Those of a partitioned table's parts go with it.
            " and k.conparentid = 0 and a.attname = %s order by 1",
            (column,),
        ).fetchall()
        stray = [each for each in keys if each[1] != target]
        for key_name, points_at in stray:
            yield wrong(
                f"ai_trading_signals.{column} points at {points_at}, "
                f"which is not the table of {name}",
                f"alter table public.ai_trading_signals drop constraint {quoted(key_name)}"
                + (f", {added}" if stray == keys and key_name == constraint else ";"),
                check="foreign keys",
            )
        if not keys:
            yield warning(
                f"ai_trading_signals.{column} points at no table"
                + ("" if has_target else f" (there is no {target})"),
                f"alter table public.ai_trading_signals {added}",
                check="foreign keys",
            )
        elif not stray:
            yield ok(f"ai_trading_signals.{column} has one", check="foreign keys")


def schema_state(primary: Server, _: Given) -> Iterator[Finding]:
    """Migrations that are pending, edited, or held up by a lock left behind."""
    state = migrations.state(primary.connection)
    told = f"{len(state.on_disk) - len(state.pending)} of {len(state.on_disk)} applied"
    yield ok(told, "run signal-marts deploy" if state.pending else "")
    try:
        migrations.check_ledger(primary.connection)
    except migrations.LedgerError as error:
        for problem in error.problems:
            yield wrong(
                problem,
                "put the file back as it was applied (git log -- migrations), and say what changes "
                "in a new migration",
            )
    if scalar(primary.connection, "select to_regclass('public.yoyo_lock')") is None:
        return
    # The pids of our own deploys are negative; such a row is stale unless that session lives.
    rows = primary.connection.execute(
        "select l.pid, l.ctime, a.pid is not null from public.yoyo_lock as l"
        " left join pg_stat_activity as a"
        " on a.pid = -l.pid and a.application_name like 'signal-marts%'"
    )
    for pid, since, is_alive in rows:
        yield lock_finding(pid, since, is_alive=is_alive)


def lock_finding(pid: int, since: datetime | None, *, is_alive: bool) -> Finding:
    """The finding for yoyo's lock row; ``since`` is in UTC, and a pid of our own is negative."""
    when = "an unknown time" if since is None else f"{since:%Y-%m-%d %H:%M:%S} UTC"
    if is_alive:
        return ok(f"a deploy is at work since {when}", check="yoyo lock")
    if pid < 0:
        held, then = f"a deploy (session {-pid}) that is gone", "run signal-marts deploy, or: "
    else:
        held, then = f"process {pid} of some machine", "when no yoyo is running there: "
    return warning(
        f"yoyo's lock is held by {held}, since {when}",
        f"{then}delete from public.yoyo_lock where pid = {pid};",  # noqa: S608 - told, not run
        check="yoyo lock",
    )


def landing_place(replica: Server, given: Given) -> Iterator[Finding]:
    """No table of another login under a landing table's name."""
    found = read_relations(replica.connection, given.contract)
    uncapturing = landed.without_capture(replica.connection, given.contract)
    foreign = sorted(
        name
        for name, each in found.items()
        if "_xid" not in each.columns and name not in uncapturing
    )
    if foreign:
        yield wrong(
            f"tables that are not landing tables are in the way: {', '.join(foreign)}",
            "set REPLICA_URL to a database of its own: create database analytics;",
        )
    elif uncapturing:
        yield wrong(
            f"the column _xid, by which builds find changes, is gone from {listed(uncapturing)}",
            DEPLOY,
        )
    else:
        told = f"{len(found)} of {len(given.contract)} are there"
        note = "" if len(found) == len(given.contract) else "run signal-marts deploy"
        yield ok(told, note)


# --- this machine -------------------------------------------------------------------------------


def project_files() -> Iterator[Finding]:
    """The project's files that a build reads."""
    wanted = ("dbt_project.yml", "profiles.yml", "models", "macros", "migrations")
    if missing := [name for name in wanted if not (PROJECT / name).exists()]:
        yield wrong(
            f"{PROJECT} has no {', '.join(missing)}",
            "install signal-marts again: its files are incomplete",
        )
    else:
        yield ok(str(PROJECT))


def surroundings(
    primary: Database, replica: Database, replication_url: str | None
) -> Iterator[Finding]:
    """The environment's settings against each other."""
    if replication_url is not None:
        try:
            given = Database("replication", replication_url).parameters()
        except UsageError as error:
            yield wrong(str(error), "set REPLICATION_URL anew")
        else:
            named, wanted = given.get("dbname"), _parameters(primary).get("dbname")
            if named and wanted and named != wanted:
                yield wrong(
                    f"REPLICATION_URL names the database {named}, PRIMARY_URL {wanted}",
                    "name the primary's database in both",
                )
    yield from dbt_environment(_parameters(replica), os.environ)


def _parameters(database: Database) -> Mapping[str, str]:
    """Parameters of a URL; none for a malformed one, which the connection has reported."""
    try:
        return database.parameters()
    except UsageError:
        return {}


def dbt_environment(
    replica: Mapping[str, str], environment: Mapping[str, str]
) -> Iterator[Finding]:
    """Whether a plain ``dbt build`` would write where the runner does.

    ``replica`` holds the libpq parameters of the replica's URL.
    """
    # Defaults as in profiles.yml.
    fields = (
        ("PGHOST", "host", "localhost"),
        ("PGPORT", "port", "5432"),
        ("PGUSER", "user", "postgres"),
        ("PGDATABASE", "dbname", "analytics"),
    )
    # libpq takes parameters missing in the URL from the environment too.
    wanted = {
        name: replica.get(key) or environment.get(name) or default for name, key, default in fields
    }
    export = f"export {' '.join(f'{name}={shlex.quote(value)}' for name, value in wanted.items())}"
    if not any(environment.get(name) for name, _, _ in fields):
        yield ok(
            "PGHOST and its like are not set; only a plain dbt build needs them",
            export,
            check="dbt",
        )
        return
    differing = [
        f"{name} is {environment.get(name) or default}"
        for name, _, default in fields
        if not is_same_place(environment.get(name) or default, wanted[name])
    ]
    if differing:
        yield warning(
            f"a plain dbt build would not go where REPLICA_URL leads: {', '.join(differing)}",
            f"{export} (and PGPASSWORD)",
            check="dbt",
        )
    else:
        yield ok("a plain dbt build goes where the runner's goes", check="dbt")


# --- the table of checks ------------------------------------------------------------------------


CheckOne = Callable[[Server, Given], Iterator[Finding]]
CheckBoth = Callable[[Server, Server, Given], Iterator[Finding]]


def marts(server: Server, _: Given) -> Iterator[Finding]:
    """All marts are there and can be read, once a build has ended."""
    if scalar(server.connection, "select to_regclass('changes.builds')") is None:
        return
    # What builds own is read with no more rights than theirs.
    builder = role_logins.as_role_on(server.connection, server.database, "transformer")
    # A large mart takes longer to count than other checks may.
    options = f"{OPTIONS} -c statement_timeout=0"
    with builder.connect(autocommit=True, options=options) as connection:
        found = status.read_marts(connection)
    if missing := status.missing_marts(found):
        told = f"not there: {', '.join(missing)}"
        yield wrong(told, "run signal-marts build")
    for mart in found:
        if mart.trouble is not None:
            yield wrong(
                f"{mart.schema}.{mart.name} cannot be read: {mart.trouble}",
                "mend what it says, or: signal-marts build --full-refresh --select "
                + shlex.quote(mart.name),
            )
    if not missing and all(mart.trouble is None for mart in found):
        yield ok(f"{len(found)} marts can be read")


OF_PRIMARY: Mapping[str, CheckOne] = {
    "version": version,
    "pooler": pooler,
    "encryption": encryption,
    "clock": clock,
    "room": room_on_primary,
    "privileges": privileges_on_primary,
    "roles": roles_on_primary,
    "platform": platform,
    "migrations": schema_state,
    "ai tables": ai_tables,
    "ids": id_sequences_past,
    "audit": noting,
    "disk": disk,
    "transactions": transactions,
    "statistics": statistics,
}
OF_REPLICA: Mapping[str, CheckOne] = {
    "version": version,
    "pooler": pooler,
    "encryption": encryption,
    "clock": clock,
    "room": room_on_replica,
    "privileges": privileges_on_replica,
    "roles": roles_on_replica,
    "landing tables": landing_place,
    "marts": marts,
    "statistics": statistics,
}
OF_BOTH: Mapping[str, CheckBoth] = {
    "two databases": two_databases,
    "side by side": side_by_side,
    "clock": clocks,
    "route": route,
    "replicator": replicator,
    "copies": copies,
    "defaults": defaults,
    "base backups": base_backups,
    "replication logins": replication_logins,
    "replication": replicating,
}
