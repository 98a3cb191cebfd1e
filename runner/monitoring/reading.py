"""The rows of each part, read in a session that can write nothing and waits for no lock."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import cache
from importlib import resources
from typing import Any

from psycopg.rows import dict_row

from runner.advice import advice
from runner.retraining import jobs
from runner.servers.database import Connection, Database
from runner.servers.role_logins import as_role

LOCK_TIMEOUT_MILLISECONDS = 100


@contextmanager
def connected(database: Database, statement_seconds: int) -> Iterator[Connection]:
    """A read-only session; on the replica with the rights of builds alone."""
    if database.side == "replica":
        database = as_role(database, "transformer")
    with database.connect(
        autocommit=True,
        application="signal-marts metrics",
        options="-c default_transaction_read_only=on"
        f" -c statement_timeout={statement_seconds}s"
        f" -c lock_timeout={LOCK_TIMEOUT_MILLISECONDS}ms",
    ) as connection:
        yield connection


def read(connection: Connection, part: str) -> Sequence[Mapping[str, Any]]:
    """The rows of a part: a column for each of its metrics and their labels."""
    if part in _READ_BY:
        return _READ_BY[part](connection)
    return connection.cursor(row_factory=dict_row).execute(_statement(part)).fetchall()


@cache
def _statement(part: str) -> bytes:
    return resources.files("runner.monitoring").joinpath(f"sql/{part}.sql").read_bytes()


def _retraining(primary: Connection) -> list[dict[str, Any]]:
    jobs.check(primary)
    found = jobs.open_or_last(primary)
    states = {
        state: [job.since.timestamp() for job in found if job.state == state]
        for state in ("waiting", "running", "dead", "failed")
    }
    return [
        {
            "state": state,
            "retraining_jobs": len(since),
            "retraining_since_timestamp_seconds": min(since, default=None),
        }
        for state, since in states.items()
    ]


def _advice(replica: Connection) -> list[dict[str, Any]]:
    """Findings by kind: none is no row, since a kind may not have been looked at."""
    counted = Counter((row["kind"], row["side"]) for row in advice.findings(replica))
    return [
        {"finding": kind, "side": side, "advice_findings": count}
        for (kind, side), count in counted.items()
    ]


_READ_BY: Mapping[str, Callable[[Connection], list[dict[str, Any]]]] = {
    "retraining": _retraining,
    "advice": _advice,
}
