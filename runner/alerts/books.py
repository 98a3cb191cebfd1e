"""What was told and what is to be sent, in tables of the replica: one process writes them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import astuple, fields
from datetime import date, datetime

from psycopg import sql
from psycopg.rows import class_row

from runner.alerts.states import Message, State
from runner.errors import SignalMartsError
from runner.servers.database import Connection, Database, scalar
from runner.servers.deploy_lock import LockedError, check_direct, holder

Key = tuple[str, str]
"""A rule's name, and a subject."""

OPTIONS = "-c statement_timeout=10s -c lock_timeout=2s"
KEPT_DAYS = 30

# "signalMt" as eight bytes: after those of deploys (runner/servers/deploy_lock.py).
_ADVISORY_KEY = 0x7369_676E_616C_4D74

_COLUMNS = [each.name for each in fields(Message)]
_SAVE_MESSAGE = sql.SQL(
    "insert into signal_marts.alert_messages ({names}) values ({values}) on conflict (id) do update"
    " set tries = excluded.tries, next_try_at = excluded.next_try_at,"
    " sent_at = excluded.sent_at, failure = excluded.failure"
).format(
    names=sql.SQL(", ").join(map(sql.Identifier, _COLUMNS)),
    values=sql.SQL(", ").join([sql.Placeholder()] * len(_COLUMNS)),
)

# An acknowledgement comes from elsewhere, and holds for what was told then.
_SAVE_STATE = (
    "insert into signal_marts.alerts as a (rule, subject, told, told_at, said_at, text)"
    " values (%s, %s, %s, %s, %s, %s) on conflict (rule, subject) do update set"
    " told = excluded.told, told_at = excluded.told_at, said_at = excluded.said_at,"
    " text = excluded.text,"
    " acknowledged_at = case when a.told_at = excluded.told_at then a.acknowledged_at end"
)


class NoBooksError(SignalMartsError):
    """The replica has no tables for alerts."""

    exit_code = 4


@contextmanager
def opened(replica: Database) -> Iterator[Connection]:
    """An autocommit session on the books. Raises NoBooksError."""
    with replica.connect(
        autocommit=True, application="signal-marts alerts", options=OPTIONS
    ) as session:
        if scalar(session, "select to_regclass('signal_marts.alerts')") is None:
            raise NoBooksError(
                f"the replica at {replica.address} has no tables for alerts;"
                " run signal-marts deploy"
            )
        yield session


@contextmanager
def kept(replica: Database) -> Iterator[Connection]:
    """The same, for the one process that writes them; raise LockedError where another one does.

    The lock ends with its session, however the process ends; who has lost it cannot write.
    """
    with opened(replica) as session:
        check_direct(replica, session)
        if not scalar(session, "select pg_try_advisory_lock(%s)", (_ADVISORY_KEY,)):
            other = holder(session, _ADVISORY_KEY) or "another watch"
            raise LockedError(f"{other} sends the alerts")
        yield session


def states(session: Connection) -> dict[Key, State]:
    """What was told, by rule and subject."""
    found = session.execute(
        "select rule, subject, told, told_at, said_at, text, acknowledged_at"
        " from signal_marts.alerts order by rule, subject"
    )
    return {(rule, subject): State(*rest) for rule, subject, *rest in found}


def waiting(session: Connection) -> list[Message]:
    """Messages that were not sent, oldest first."""
    query = sql.SQL(
        "select {} from signal_marts.alert_messages where sent_at is null order by created_at, id"
    ).format(sql.SQL(", ").join(map(sql.Identifier, _COLUMNS)))
    return session.cursor(row_factory=class_row(Message)).execute(query).fetchall()


def last_daily(session: Connection) -> date | None:
    """The last day that has its message."""
    found: date | None = scalar(session, "select max(daily_on) from signal_marts.alert_messages")
    return found


def save(session: Connection, told: Mapping[Key, State], messages: Iterable[Message]) -> None:
    """Write what is new, all or nothing."""
    with session.transaction(), session.cursor() as cursor:
        cursor.executemany(
            _SAVE_STATE,
            [(*key, s.told, s.told_at, s.said_at, s.text) for key, s in told.items()],
        )
        cursor.executemany(_SAVE_MESSAGE, [astuple(each) for each in messages])


def forget(session: Connection, rules: Iterable[str], channels: Iterable[str]) -> None:
    """Forget rules and channels that the file no longer has, and what was sent long ago."""
    session.execute("delete from signal_marts.alerts where rule <> all(%s)", (list(rules),))
    session.execute(
        "delete from signal_marts.alert_messages where sent_at is null and channel <> all(%s)"
        " or sent_at < clock_timestamp() - %s * interval '1 day'",
        (list(channels), KEPT_DAYS),
    )


def acknowledge(session: Connection, rule: str, subject: str, told_at: datetime) -> State | None:
    """Note that somebody has seen what fires; None where it no longer does."""
    row = session.execute(
        "update signal_marts.alerts set acknowledged_at = coalesce(acknowledged_at,"
        " clock_timestamp()) where rule = %s and subject = %s and told_at = %s and told = 'firing'"
        " returning told, told_at, said_at, text, acknowledged_at",
        (rule, subject, told_at),
    ).fetchone()
    return None if row is None else State(*row)
