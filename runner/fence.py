"""The fence: proof that the replica shows all that was committed on the primary before it.

A token is committed on the primary and awaited on the replica. Positions in the log prove less:
under asynchronous commit they run ahead of what is visible.
"""

from __future__ import annotations

import time
import uuid
from collections.abc import Sequence
from dataclasses import dataclass

import psycopg

from runner.contract import Table
from runner.database import Connection, scalar
from runner.errors import SignalMartsError
from runner.replication import (
    copying_tables,
    last_token,
    read_subscription,
    slot_name,
    subscribed_tables,
)

_POLL_SECONDS = 0.02

# Errors of the workers while the fence waits, before it says that waiting does not help: one may be
# the passing end of a connection.
_FAILURES = 2


class FenceError(SignalMartsError):
    """The replica does not show what the primary has committed."""

    exit_code = 4


class BrokenReplicationError(FenceError):
    """Waiting cannot help: only copying again brings what is missing."""


def wait(
    primary: Connection, replica: Connection, contract: Sequence[Table], *, timeout: float
) -> None:
    """Return once the replica shows every row committed on the primary before this call.

    ``timeout`` is in seconds. Both connections are in autocommit mode. Raises FenceError with what
    holds replication up: a table that is not yet copied, a disabled subscription, a lag; and
    BrokenReplicationError where it cannot go on, or has lost changes that it had confirmed.
    """
    deadline = time.monotonic() + timeout
    errors_before = _errors(replica)
    _check_no_gap(primary, replica, contract, deadline, errors_before)
    token = _write_token(primary)
    wanted = {table.qualified for table in contract}
    while (obstacle := _obstacle(replica, wanted, token)) is not None:
        if obstacle.is_final:
            raise FenceError(f"the replica has not caught up: {obstacle.text}")
        _check_applying(replica, errors_before)
        if time.monotonic() > deadline:
            raise FenceError(
                f"the replica has not caught up after {timeout:g} seconds: {obstacle.text}"
            )
        time.sleep(_POLL_SECONDS)


@dataclass(frozen=True)
class _Obstacle:
    """What holds replication up; final where waiting cannot help."""

    text: str
    is_final: bool = False


def _obstacle(replica: Connection, wanted: set[str], token: uuid.UUID) -> _Obstacle | None:
    subscription = read_subscription(replica)
    if subscription is None:
        return _Obstacle("it has no subscription; run signal-marts deploy", is_final=True)
    if not subscription.is_enabled:
        return _Obstacle("its subscription is disabled; run signal-marts deploy", is_final=True)
    subscribed = subscribed_tables(replica)
    if subscribed != wanted:
        return _Obstacle(
            "these tables are not replicated as the sources say: "
            f"{', '.join(sorted(subscribed ^ wanted))}; run signal-marts deploy",
            is_final=True,
        )
    if copying := copying_tables(replica):
        return _Obstacle(f"still copying {', '.join(sorted(copying))}")
    if last_token(replica) != token:
        return _Obstacle("changes are still on their way (signal-marts status shows the lag)")
    return None


def _write_token(primary: Connection) -> uuid.UUID:
    token = uuid.uuid4()
    try:
        with primary.transaction():
            # Whatever the primary's default is, the token must not run ahead of the log's flush.
            primary.execute("set local synchronous_commit = on")
            primary.execute(
                "insert into public.ai_replication_fence as fence (id, token, written_at)"
                " values (1, %s, now())"
                " on conflict (id) do update"
                " set token = excluded.token, written_at = excluded.written_at",
                (token,),
            )
    except psycopg.errors.UndefinedTable:
        raise FenceError(
            "the primary has no table public.ai_replication_fence; run signal-marts deploy"
        ) from None
    return token


def _check_no_gap(
    primary: Connection,
    replica: Connection,
    contract: Sequence[Table],
    deadline: float,
    errors_before: int,
) -> None:
    """Raise BrokenReplicationError where the replica lost what it had confirmed.

    A replica that was restored from a backup asks for changes that the slot has passed, and gets
    only those after. The last token tells: the slot is past it, and the replica does not show it.
    """
    if subscribed_tables(replica) != {t.qualified for t in contract} or copying_tables(replica):
        return
    # Taken before the token is read, so that being past it means being past the token.
    position = scalar(primary, "select pg_current_wal_lsn()")
    before = last_token(primary)
    while before is not None and last_token(replica) != before and time.monotonic() < deadline:
        is_past = scalar(
            primary,
            "select confirmed_flush_lsn >= %s::pg_lsn from pg_replication_slots"
            " where slot_name = %s",
            (position, slot_name(replica)),
        )
        if is_past is None:
            return
        # Read again: the token may have come between the two looks.
        if is_past and last_token(replica) != before:
            raise BrokenReplicationError(
                "the replica lost changes that it had confirmed, as after a restore from a "
                "backup; run signal-marts deploy: it copies the tables again"
            )
        _check_applying(replica, errors_before)
        time.sleep(_POLL_SECONDS)


def _check_applying(replica: Connection, errors_before: int) -> None:
    if _errors(replica) >= errors_before + _FAILURES:
        raise BrokenReplicationError(
            "the replica cannot apply a change, and tries it again and again (its server log says "
            "which; someone may have written to a landing table); run signal-marts deploy: it "
            "copies the tables again"
        )


def _errors(replica: Connection) -> int:
    subscription = read_subscription(replica)
    return 0 if subscription is None else subscription.errors
