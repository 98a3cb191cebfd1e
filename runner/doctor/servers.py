"""The doctor's checks of a server by itself: version, connection, clock, room, disk and locks."""

from __future__ import annotations

import time
from collections.abc import Iterator

from psycopg import sql

from runner.doctor.findings import (
    Finding,
    Given,
    Server,
    minutes,
    ok,
    reached_locally,
    read_setting,
    row,
    size,
    unknown,
    warning,
    wrong,
)
from runner.servers.database import scalar
from runner.servers.deploy_lock import is_pooled
from runner.servers.statements import statements_schema

OLDEST_VERSION, NEWEST_VERSION = 15, 18
CLOCK_TOLERANCE_SECONDS = 1.0
LONG_TRANSACTION_SECONDS = 15 * 60
LONG_IDLE_SECONDS = 60
RETAINED_BYTES = 1024**3
"""From here on, what an unread slot keeps on the primary's disk is worth a warning."""


# --- the server ---------------------------------------------------------------------------------


def version(server: Server, _: Given) -> Iterator[Finding]:
    """A version that was tried, on a server that takes writes."""
    yield version_finding(server.major)
    if scalar(server.connection, "select pg_is_in_recovery()"):
        yield wrong(
            "the server is a standby, which takes no writes",
            f"set {server.side.upper()}_URL to the server that it follows",
        )


def version_finding(major: int) -> Finding:
    """The finding for a server's major version."""
    told = f"PostgreSQL {major}"
    if major < OLDEST_VERSION:
        return wrong(
            f"{told}; publications with column lists need {OLDEST_VERSION} or newer",
            f"upgrade the server to {OLDEST_VERSION} or newer",
        )
    if major > NEWEST_VERSION:
        return warning(
            f"{told} is not tried with this version of signal-marts",
            f"upgrade signal-marts, or use {OLDEST_VERSION} to {NEWEST_VERSION}",
        )
    return ok(told)


def pooler(server: Server, _: Given) -> Iterator[Finding]:
    """A pooler in transaction mode would leave session locks behind on a shared connection."""
    if is_pooled(server.connection):
        yield wrong(
            "a connection pooler stands between us and the server",
            f"set {server.side.upper()}_URL to the server's direct URL; applications may go on "
            "through the pooler",
        )
    else:
        yield ok("connected directly")


def encryption(server: Server, _: Given) -> Iterator[Finding]:
    """Passwords and prices cross a network under TLS only."""
    is_encrypted = scalar(
        server.connection, "select ssl from pg_stat_ssl where pid = pg_backend_pid()"
    )
    options = {o.keyword: o.val for o in server.connection.pgconn.info if o.val is not None}
    mode = options.get(b"sslmode", b"prefer").decode()
    yield encryption_finding(
        server.side, is_local=reached_locally(server), is_encrypted=bool(is_encrypted), mode=mode
    )


def encryption_finding(side: str, *, is_local: bool, is_encrypted: bool, mode: str) -> Finding:
    """The finding for a connection; ``mode`` is libpq's sslmode."""
    verified = f"add sslmode=verify-full&sslrootcert=system to {side.upper()}_URL"
    if is_local:
        return ok("the connection does not leave this machine")
    if not is_encrypted:
        return warning(
            "the connection crosses a network without TLS",
            f"{verified} (sslmode=require where the server's certificate is its own)",
        )
    if mode not in ("verify-ca", "verify-full"):
        return ok(
            f"TLS, but the server's certificate is not verified (sslmode={mode})",
            f"{verified}, so that nobody can pose as the server",
        )
    return ok(f"TLS, verified (sslmode={mode})")


def clock(server: Server, _: Given) -> Iterator[Finding]:
    """Facts carry the servers' time, so it must be the right one."""
    offset, uncertainty = _clock_offset(server)
    yield clock_finding(server.side, "this machine", offset, uncertainty)


def clock_finding(side: str, other: str, offset: float, uncertainty: float) -> Finding:
    """The finding for a clock ``offset`` ± ``uncertainty`` seconds ahead of another."""
    where = "the primary's clock" if side == "both" else "the clock"
    told = f"{where} is {abs(offset):.3f} s {'ahead of' if offset > 0 else 'behind'} {other}"
    if abs(offset) - uncertainty > CLOCK_TOLERANCE_SECONDS:
        return warning(told, "let every machine follow NTP: timedatectl set-ntp on")
    return ok(told)


def clocks(primary: Server, replica: Server, _: Given) -> Iterator[Finding]:
    """The clocks of both servers against each other."""
    (one, one_off), (other, other_off) = _clock_offset(primary), _clock_offset(replica)
    yield clock_finding("both", "the replica's", one - other, one_off + other_off)


def _clock_offset(server: Server) -> tuple[float, float]:
    """Seconds by which the server is ahead of us, and how far that may be off."""
    measured = []
    for _ in range(3):
        before = time.time()
        there = float(
            scalar(server.connection, "select extract(epoch from clock_timestamp())::float8")
        )
        after = time.time()
        measured.append(((after - before) / 2, there - (before + after) / 2))
    # The quickest answer says it best.
    uncertainty, offset = min(measured)
    return offset, uncertainty


# --- room for replication -----------------------------------------------------------------------


def room_on_primary(primary: Server, _: Given) -> Iterator[Finding]:
    """wal_level, slots and senders."""
    connection = primary.connection
    yield wal_level_finding(str(scalar(connection, "show wal_level")))
    slots, is_ours, is_active = row(
        connection,
        "select count(*)::int, coalesce(bool_or(ours), false),"
        " coalesce(bool_or(ours and active), false) from ("
        " select active, starts_with(slot_name, 'signal_marts_')"
        " and database = current_database() as ours from pg_replication_slots) as slots",
    )
    needs = "a deploy needs 1, and while it copies tables up to 2 more"
    yield room_finding(
        "max_replication_slots",
        used=slots,
        total=read_setting(connection, "max_replication_slots"),
        needed=0 if is_ours else 1,
        wanted=2 if is_ours else 3,
        why=needs,
    )
    yield room_finding(
        "max_wal_senders",
        used=scalar(connection, "select count(*)::int from pg_stat_replication"),
        total=read_setting(connection, "max_wal_senders"),
        needed=0 if is_active else 1,
        wanted=2 if is_active else 3,
        why=needs,
    )


def wal_level_finding(level: str) -> Finding:
    """The finding for the primary's wal_level."""
    if level == "logical":
        return ok("logical", check="wal_level")
    return wrong(
        f"wal_level is {level}, and replication needs logical",
        "alter system set wal_level = 'logical';  -- then restart the server",
        check="wal_level",
    )


def room_on_replica(replica: Server, _: Given) -> Iterator[Finding]:
    """Workers and origins."""
    connection = replica.connection
    running, is_ours = row(
        connection,
        "select count(pid)::int, coalesce(bool_or(pid is not null and subname = 'signal_marts'"
        " and subid in (select s.oid from pg_subscription as s inner join pg_database as d"
        " on s.subdbid = d.oid where d.datname = current_database())), false)"
        " from pg_stat_subscription",
    )
    copying = read_setting(connection, "max_sync_workers_per_subscription")
    needed = 0 if is_ours else 1
    why = f"replication needs 1, and while it copies tables up to {copying} more"
    # Since 18, origins have a setting of their own.
    origins = "max_active_replication_origins" if replica.major >= 18 else "max_replication_slots"
    for setting, used in (
        ("max_logical_replication_workers", running),
        # The launcher is one of them, too.
        ("max_worker_processes", running + 1),
        (origins, scalar(connection, "select count(*)::int from pg_replication_origin")),
    ):
        yield room_finding(
            setting,
            used=used,
            total=read_setting(connection, setting),
            needed=needed,
            wanted=needed + copying,
            why=why,
        )
    if copying == 0:
        yield wrong(
            "it is 0, so no table is ever copied",
            "alter system set max_sync_workers_per_subscription = 2; select pg_reload_conf();",
            check="max_sync_workers_per_subscription",
        )


def room_finding(
    setting: str, *, used: int, total: int, needed: int, wanted: int, why: str
) -> Finding:
    """The finding for a limited resource: ``needed`` to work at all, ``wanted`` to work well."""
    told = f"{used} of {total} in use"
    if total - used >= wanted:
        return ok(told, check=setting)
    return Finding(
        "wrong" if total - used < needed else "warning",
        f"{told}; {why}",
        f"alter system set {setting} = {used + wanted};  -- then restart the server",
        check=setting,
    )


# --- disk and locks -----------------------------------------------------------------------------


def disk(primary: Server, _: Given) -> Iterator[Finding]:
    """The log that slots may keep on the primary's disk."""
    connection = primary.connection
    limit = read_setting(connection, "max_slot_wal_keep_size")
    if limit < 0:
        yield warning(
            "no limit: a slot that nobody reads can fill the primary's disk",
            "alter system set max_slot_wal_keep_size = '10GB'; select pg_reload_conf();",
            check="max_slot_wal_keep_size",
        )
    else:
        yield ok(size(limit * 1024**2), check="max_slot_wal_keep_size")
    slots = connection.execute(
        "select slot_name::text, coalesce(database::text, slot_type), coalesce(wal_status, ''),"
        " case when not pg_is_in_recovery()"
        " then pg_wal_lsn_diff(pg_current_wal_lsn(), restart_lsn)::bigint end"
        " from pg_replication_slots where not active and not temporary order by slot_name"
    )
    for name, belongs_to, wal_status, retained in slots:
        yield slot_finding(name, belongs_to, wal_status, retained)


def slot_finding(name: str, belongs_to: str, wal_status: str, retained: int | None) -> Finding:
    """The finding for a slot without a reader; ``retained`` is in bytes, None where it is lost."""
    kept = "nothing any more" if retained is None else size(retained)
    literal = sql.Literal(name).as_string()
    return Finding(
        "warning" if (retained or 0) > RETAINED_BYTES else "ok",
        f"nobody reads slot {name} ({belongs_to}, {wal_status or 'new'}), "
        f"for which the primary keeps {kept}",
        "start its reader again, or when it has none any more: "
        f"select pg_drop_replication_slot({literal});",
        check="slots",
    )


def transactions(primary: Server, _: Given) -> Iterator[Finding]:
    """Transactions that a deploy's locks and the making of a slot would wait for."""
    connection = primary.connection
    found = False
    prepared = connection.execute(
        "select gid, owner::text, extract(epoch from now() - prepared)::float8"
        " from pg_prepared_xacts where now() - prepared > make_interval(secs => %s)"
        " order by prepared",
        (LONG_TRANSACTION_SECONDS,),
    )
    for gid, owner, seconds in prepared:
        found = True
        yield warning(
            f"prepared transaction {gid} of {owner} is {minutes(seconds)} old; "
            "a deploy waits for it",
            f"let its manager finish it, or: rollback prepared {sql.Literal(gid).as_string()};",
        )
    sessions = connection.execute(
        "select pid, coalesce(usename::text, ''), coalesce(application_name, ''), state,"
        " extract(epoch from now() - xact_start)::float8"
        " from pg_stat_activity"
        " where backend_type = 'client backend' and pid <> pg_backend_pid()"
        # Of a replica on the primary's server: they hold a lock of builds, and nothing else.
        " and application_name not in ('signal-marts build', 'signal-marts watch',"
        " 'signal-marts moment')"
        " and (now() - xact_start > make_interval(secs => %s)"
        " or (state like 'idle in transaction%%'"
        " and now() - state_change > make_interval(secs => %s)))"
        " order by xact_start",
        (LONG_TRANSACTION_SECONDS, LONG_IDLE_SECONDS),
    )
    for pid, user, application, state, seconds in sessions:
        found = True
        yield warning(
            f"process {pid} ({' '.join(filter(None, (user, application)))}) is in a transaction "
            f"since {minutes(seconds)}, {state}; a deploy waits for it",
            f"end its transaction, or: select pg_terminate_backend({pid});",
        )
    if not primary.is_superuser and not scalar(
        connection, "select pg_has_role('pg_read_all_stats', 'usage')"
    ):
        yield unknown(
            f"{primary.login} cannot see the transactions of others",
            f"grant pg_read_all_stats to {primary.quoted_login};",
        )
    elif not found:
        yield ok("none is long open")


# --- statistics ---------------------------------------------------------------------------------


def statistics(server: Server, _: Given) -> Iterator[Finding]:
    """What ``observe`` sees of the server; it works without, and says what it does not see."""
    sees_all = scalar(server.connection, "select pg_has_role('pg_read_all_stats', 'usage')")
    lacks = {
        "sessions of other roles": not sees_all
        and f"grant pg_read_all_stats to {server.quoted_login};",
        "the cost of statements": statements_schema(server.connection) is None
        and "shared_preload_libraries = 'pg_stat_statements' and a restart, then: "
        "create extension pg_stat_statements;",
    }
    notes = {what: mend for what, mend in lacks.items() if mend}
    told = f"observe does not see {' and '.join(notes)}" if notes else "observe sees all of them"
    yield ok(told, "; ".join(notes.values()))
