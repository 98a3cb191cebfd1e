"""One deploy at a time: an advisory lock of ours, and yoyo's lock row beside it.

The advisory lock belongs to a session, so it dies with its runner. yoyo's row does not: a runner
that is killed leaves it, and it is cleared only when no one can still be holding it.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, suppress

import psycopg

from runner.errors import SignalMartsError
from runner.servers.database import Connection, Database, scalar

# Any numbers that no other program uses: "signalMr" as eight bytes, and the next. One per side, so
# that the error names the cause if both sides are the same database by mistake.
_ADVISORY_KEYS = {"primary": 0x7369_676E_616C_4D72, "replica": 0x7369_676E_616C_4D73}

WORKER = "signal-marts worker"
"""Name of the sessions in which the holder of the lock works."""


class LockedError(SignalMartsError):
    """Another deploy, or another program of the kind, is at work."""

    exit_code = 5


@contextmanager
def one_at_a_time(database: Database, command: str = "deploy") -> Iterator[Connection]:
    """Hold the lock of a database; raise LockedError where another runner holds it.

    Yields the session that holds it. Sessions of a killed runner are ended: their statements could
    still run after later ones. A transaction pooler is refused: a session's lock would stay behind
    on a shared connection.
    """
    with database.connect(autocommit=True, application=f"signal-marts {command}") as connection:
        check_direct(database, connection)
        key = _ADVISORY_KEYS[database.side]
        if not scalar(connection, "select pg_try_advisory_lock(%s)", (key,)):
            other = holder(connection, key)
            what = f"{other} holds the lock of deploys" if other else "another deploy is running"
            raise LockedError(f"{what} on {database.address}; wait for it to end")
        _end_orphans(connection)
        try:
            yield connection
        finally:
            # Given back at the end: a server misses a closed connection a moment later.
            with suppress(psycopg.Error):
                connection.execute("select pg_advisory_unlock(%s)", (key,))


def holder(connection: Connection, key: int) -> str | None:
    """The session that holds the lock; any login can take an advisory lock."""
    held = connection.execute(
        "select coalesce(nullif(a.application_name, ''), 'a session'), a.pid, a.usename::text"
        " from pg_locks as l inner join pg_stat_activity as a on l.pid = a.pid"
        " where l.locktype = 'advisory' and l.granted and l.objsubid = 1"
        " and (l.classid::bigint << 32 | l.objid::bigint) = %s"
        " and l.database = (select oid from pg_database where datname = current_database())",
        (key,),
    ).fetchone()
    return None if held is None else "{} (server process {}, login {})".format(*held)


def _end_orphans(session: Connection) -> None:
    """End the sessions of killed runners: a statement that waits for a lock outlives its client."""
    session.execute(
        "select pg_terminate_backend(pid, 10000) from pg_stat_activity"
        " where datname = current_database() and usename = current_user"
        " and application_name = %s and pid <> pg_backend_pid()",
        (WORKER,),
    )


def check_direct(database: Database, connection: Connection) -> None:
    """Raise LockedError where a pooler stands between us and the server."""
    if is_pooled(connection):
        raise LockedError(
            f"the {database.side}'s URL ({database.address}) goes through a connection pooler; "
            "this command needs the server's direct URL"
        )


def is_pooled(connection: Connection) -> bool:
    """Whether another process answers than the one that was named at connecting."""
    return bool(scalar(connection, "select pg_backend_pid()") != connection.info.backend_pid)


@contextmanager
def yoyo_lock(session: Connection) -> Iterator[None]:
    """Hold yoyo's lock row, so that a plain yoyo waits; ``session`` holds the advisory lock.

    Our rows carry the negative process id of the session, which no yoyo writes: such a row of
    another session is stale, since its advisory lock would have kept us out.
    """
    _clear_stale(session)
    mine = -session.info.backend_pid
    try:
        session.execute(
            "insert into public.yoyo_lock (locked, ctime, pid)"
            " values (1, now() at time zone 'UTC', %s)",
            (mine,),
        )
    except psycopg.errors.UniqueViolation:
        raise LockedError("a yoyo started at this moment; wait for it to end") from None
    try:
        yield
    finally:
        if not session.broken:
            session.execute("delete from public.yoyo_lock where pid = %s", (mine,))


def _clear_stale(session: Connection) -> None:
    held = session.execute("select pid, ctime from public.yoyo_lock").fetchone()
    if held is None:
        return
    pid, since = held
    # A plain yoyo stays connected for as long as it holds its row, so it must be among the sessions
    # that began before the row was written (its clock may be behind the server's by a little).
    suspects = (
        0
        if pid < 0
        else scalar(
            session,
            "select count(*) from pg_stat_activity"
            " where datname = current_database() and backend_type = 'client backend'"
            " and application_name not like 'signal-marts%%' and pid <> pg_backend_pid()"
            " and backend_start at time zone 'UTC' <= %s + interval '1 minute'",
            (since,),
        )
    )
    if suspects:
        raise LockedError(
            f"yoyo's lock is held by process {pid} since {since:%Y-%m-%d %H:%M:%S} UTC, and "
            f"{suspects} sessions are old enough to be it; when no yoyo is running: yoyo break-lock"
        )
    session.execute("delete from public.yoyo_lock where pid = %s", (pid,))
