"""The fence: proof that the replica shows all that was committed on the primary before it.

A token is committed on the primary and awaited on the replica. Positions in the log prove less:
under asynchronous commit they run ahead of what is visible.
"""

from __future__ import annotations

import time
import uuid
from collections.abc import Sequence

import psycopg

from runner.contract import Table
from runner.database import Connection, scalar
from runner.errors import SignalMartsError

_POLL_SECONDS = 0.02


class FenceError(SignalMartsError):
    """The replica does not show what the primary has committed."""

    exit_code = 4


def wait(
    primary: Connection, replica: Connection, contract: Sequence[Table], *, timeout: float
) -> None:
    """Return once the replica shows every row committed on the primary before this call.

    ``timeout`` is in seconds. Both connections are in autocommit mode. Raises FenceError with what
    holds replication up: a table that is not yet copied, a disabled subscription, a lag.
    """
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
    wanted = {table.qualified for table in contract}
    deadline = time.monotonic() + timeout
    while True:
        obstacle = _obstacle(replica, wanted, token)
        if obstacle is None:
            return
        if obstacle.is_final or time.monotonic() > deadline:
            waited = "" if obstacle.is_final else f" after {timeout:g} seconds"
            raise FenceError(f"the replica has not caught up{waited}: {obstacle}")
        time.sleep(_POLL_SECONDS)


class _Obstacle(str):
    """What holds replication up; ``is_final`` where waiting cannot help."""

    is_final: bool

    def __new__(cls, text: str, *, is_final: bool = False) -> _Obstacle:
        obstacle = super().__new__(cls, text)
        obstacle.is_final = is_final
        return obstacle


def _obstacle(replica: Connection, wanted: set[str], token: uuid.UUID) -> _Obstacle | None:
    subscription = replica.execute(
        "select s.subenabled, coalesce(t.apply_error_count + t.sync_error_count, 0)"
        " from pg_subscription as s"
        " left join pg_stat_subscription_stats as t on s.oid = t.subid"
        " where s.subname = 'signal_marts' and s.subdbid ="
        " (select oid from pg_database where datname = current_database())"
    ).fetchone()
    if subscription is None:
        return _Obstacle("it has no subscription; run signal-marts deploy", is_final=True)
    enabled, errors = subscription
    if not enabled:
        return _Obstacle(
            f"its subscription is disabled ({errors} errors so far; the replica's server log says "
            "which); mend the cause, then run signal-marts deploy",
            is_final=True,
        )
    subscribed = subscribed_tables(replica)
    if subscribed != wanted:
        return _Obstacle(
            "these tables are not replicated as the sources say: "
            f"{', '.join(sorted(subscribed ^ wanted))}; run signal-marts deploy",
            is_final=True,
        )
    copying = replica.execute(
        "select srrelid::regclass::text from pg_subscription_rel where srsubstate <> 'r'"
    ).fetchall()
    if copying:
        return _Obstacle(f"still copying {', '.join(sorted(name for (name,) in copying))}")
    if scalar(replica, "select token from public.ai_replication_fence where id = 1") != token:
        return _Obstacle("changes are still on their way (signal-marts status shows the lag)")
    return None


def subscribed_tables(replica: Connection) -> set[str]:
    """Qualified names of the tables that the subscription knows, copied or not."""
    rows = replica.execute(
        """
        select n.nspname || '.' || c.relname
        from pg_subscription_rel as r
        inner join pg_subscription as s on r.srsubid = s.oid
        inner join pg_class as c on r.srrelid = c.oid
        inner join pg_namespace as n on c.relnamespace = n.oid
        where s.subname = 'signal_marts'
        """
    )
    return {name for (name,) in rows}
