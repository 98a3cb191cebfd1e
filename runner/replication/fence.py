"""The fence: proof that the replica shows all that was committed on the primary before it.

A token is committed on the primary and awaited on the replica. Positions in the log prove less:
under asynchronous commit they run ahead of what is visible.
"""

from __future__ import annotations

import time
import uuid
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import timedelta

import psycopg
from psycopg import sql

from runner.errors import SignalMartsError
from runner.replication import archives, copies, faults, landed
from runner.replication.catalog import (
    AS_TOKEN,
    TOKENS,
    Token,
    copying_tables,
    last_token,
    read_subscription,
    slot_name,
    stuck_copies,
    subscribed_tables,
    written_token,
)
from runner.replication.faults import COPY_AGAIN, Fault
from runner.servers.contract import Table
from runner.servers.database import Connection, scalar
from runner.servers.planted import plain

_POLL_SECONDS = 0.02

_DAY = timedelta(days=1)

# How often the primary is asked for a token that the replica shows, before it has lost it.
_LOOKS = 50

# Errors of the workers while the fence waits, before it says that waiting does not help: one may be
# the passing end of a connection.
_FAILURES = 2


class FenceError(SignalMartsError):
    """The replica does not show what the primary has committed."""

    exit_code = 4


class DisabledError(FenceError):
    """The subscription is disabled: by hand, or by itself where it is to be on errors."""


class BrokenReplicationError(FenceError):
    """Waiting cannot help: only copying again brings what is missing."""


class LostRowsError(FenceError):
    """A copy lacks rows that the primary has."""


class NotLoadedError(FenceError):
    """The replica has caught up, and lacks archived rows."""


def wait(
    primary: Connection, replica: Connection, contract: Sequence[Table], *, timeout: float
) -> None:
    """Return once the replica shows every row committed on the primary before this call.

    ``timeout`` is in seconds. Both connections are in autocommit mode. Raises FenceError with what
    holds replication up: a table that is not yet copied, a disabled subscription, a lag, a token
    that is ahead of the clock; BrokenReplicationError where it cannot go on, or has lost changes
    that it had confirmed; LostRowsError where a table that was copied lacks rows; and
    NotLoadedError where it lacks archived ones.
    """
    deadline = time.monotonic() + timeout
    errors_before = _errors(replica)
    wanted = {table.qualified for table in contract}
    _check_no_gap(primary, replica, wanted, deadline, errors_before)

    def catch_up(deadline: float) -> None:
        token = _write_token(primary)
        while (fault := _obstacle(replica, wanted, token)) is not None:
            if not fault.is_passing:
                error = DisabledError if fault is faults.DISABLED else FenceError
                raise error(f"the replica has not caught up: {fault}")
            _check_applying(replica, errors_before)
            if stuck := stuck_copies(primary, replica):
                raise BrokenReplicationError(str(faults.stuck(stuck)))
            if time.monotonic() > deadline:
                raise FenceError(
                    f"the replica has not caught up after {timeout:g} seconds: {fault}"
                )
            time.sleep(_POLL_SECONDS)

    catch_up(deadline)
    # Rows may take longer to count than they took to arrive.
    _check_copies(primary, replica, contract, lambda: catch_up(time.monotonic() + timeout))


def _check_copies(
    primary: Connection,
    replica: Connection,
    contract: Sequence[Table],
    catch_up: Callable[[], None],
) -> None:
    """Raise LostRowsError where a table was copied since it was last counted, and lacks rows, and
    NotLoadedError where it lacks archived ones."""
    uncounted = landed.uncounted_copies(replica)
    copied = [table for table in contract if table.qualified in uncounted]
    if missing := archives.not_loaded(primary, replica, copied):
        raise NotLoadedError(str(faults.not_loaded(missing)))
    try:
        loss = copies.find_loss(primary, replica, contract, catch_up)
    except psycopg.errors.InsufficientPrivilege as error:
        raise FenceError(
            f"the rows that were copied are not yet counted ({error.diag.message_primary}); run "
            "signal-marts deploy as the login that owns the platform's tables"
        ) from None
    if loss is not None:
        raise LostRowsError(
            f"the copy of {loss.table} lacks rows: the primary has {loss.expected:,} and the "
            f"replica {loss.arrived:,}. The login that copies may not see them all (row level "
            "security), or somebody deletes from the landing table: mend that, then run "
            "signal-marts deploy, which copies the table again"
        )


def _obstacle(replica: Connection, wanted: set[str], token: Token) -> Fault | None:
    """What holds replication up, if anything does; waiting helps where it is passing."""
    if (fault := _not_copied(replica, wanted)) is not None:
        return fault
    shown = last_token(replica)
    # Another build's newer token proves as much; one that is newer by days was ahead, and deleted.
    if shown is None or not timedelta() <= shown.written_at - token.written_at <= _DAY:
        return faults.ON_THE_WAY
    return None


def _not_copied(replica: Connection, wanted: set[str]) -> Fault | None:
    subscription = read_subscription(replica)
    if subscription is None:
        return faults.NOT_SET_UP
    if not subscription.is_enabled:
        return faults.DISABLED
    if differing := wanted ^ subscribed_tables(replica):
        return faults.not_replicated(differing)
    if copying := copying_tables(replica):
        return faults.still_copying(copying)
    return None


def _write_token(primary: Connection) -> Token:
    try:
        with plain(primary, TOKENS, is_written=True):
            # Whatever the primary's default is, the token must not run ahead of the log's flush.
            primary.execute("set local synchronous_commit = on")
            # The time only grows, in the order of the commits and whatever the clock does, so that
            # of several builds at once each knows the others' tokens for older or newer.
            row = primary.execute(
                sql.SQL(
                    "insert into public.ai_replication_fence as fence (id, token, written_at)"
                    " values (1, %s, clock_timestamp())"
                    " on conflict (id) do update set token = excluded.token, written_at ="
                    " greatest(clock_timestamp(), fence.written_at + interval '1 microsecond')"
                    " where fence.written_at <= clock_timestamp() + interval '1 day'"
                    " returning {}"
                ).format(AS_TOKEN),
                (uuid.uuid4(),),
            ).fetchone()
    except psycopg.errors.UndefinedTable:
        raise FenceError(
            "the primary has no table public.ai_replication_fence; run signal-marts deploy"
        ) from None
    if row is None:
        raise FenceError(str(faults.TOKEN_AHEAD))
    return Token(*row)


def _check_no_gap(
    primary: Connection,
    replica: Connection,
    wanted: set[str],
    deadline: float,
    errors_before: int,
) -> None:
    """Raise BrokenReplicationError where one side was set back to an earlier state.

    Waits until the replica shows the last token, or it is clear that it never will.
    """
    while (
        _not_copied(replica, wanted) is None
        and (gap := find_gap(primary, replica)) is not None
        and time.monotonic() < deadline
    ):
        if gap.reason is not None:
            raise BrokenReplicationError(f"{gap.reason}; {COPY_AGAIN}")
        _check_applying(replica, errors_before)
        time.sleep(_POLL_SECONDS)


@dataclass(frozen=True)
class Gap:
    """The replica does not show the primary's last token: yet (``reason`` None), or ever."""

    reason: str | None


def find_gap(primary: Connection, replica: Connection) -> Gap | None:
    """What the last token tells of lost changes; None where the replica shows it.

    A replica that was restored from a backup asks for changes that the slot has passed, and gets
    only those after: the slot is past the token, and the replica does not show it. A primary that
    was restored has an older token than the replica, and its next changes are skipped.
    """
    shown = last_token(replica)
    written = written_token(primary)
    # Taken after the primary's token was read, so that being past it means being past the token.
    position = scalar(primary, "select pg_current_wal_lsn()")
    if shown == written or written is None:
        return None
    # A change is sent when it is durable, which may be a moment before the primary itself shows it.
    if shown is not None and shown.written_at >= written.written_at:
        for _ in range(_LOOKS):
            time.sleep(_POLL_SECONDS)
            written = written_token(primary) or written
            if shown.written_at <= written.written_at:
                return None if shown == written else Gap(None)
        return Gap("the replica has changes that the primary lost, as after a restore or failover")
    is_past = scalar(
        primary,
        "select confirmed_flush_lsn >= %s::pg_lsn from pg_replication_slots where slot_name = %s",
        (position, slot_name(replica)),
    )
    # Read again: the token may have come between the looks, or a newer one.
    shown = last_token(replica)
    if is_past and (shown is None or shown.written_at < written.written_at):
        return Gap("the replica lost changes that it had confirmed, as after a restore of a backup")
    return Gap(None)


def _check_applying(replica: Connection, errors_before: int) -> None:
    if _errors(replica) >= errors_before + _FAILURES:
        raise BrokenReplicationError(
            "the replica cannot apply a change, and tries it again and again (its server log says "
            f"which; someone may have written to a landing table); {COPY_AGAIN}"
        )


def _errors(replica: Connection) -> int:
    subscription = read_subscription(replica)
    return 0 if subscription is None else subscription.errors
