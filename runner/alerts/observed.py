"""What there is to say: a level, or a word, of each subject that rules look at."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from functools import cache
from importlib import resources
from typing import Any

import psycopg
from psycopg.rows import dict_row

from runner.alerts.states import Seen
from runner.doctor.status import build_problems, last_builds
from runner.replication import health
from runner.servers.contract import Table
from runner.servers.database import Connection, ConnectionFailedError, Database, read_only
from runner.servers.role_logins import as_role
from runner.servers.sides import Sides

OPTIONS = read_only("10s", "100ms")
APPLICATION = "signal-marts alerts"

_QUERIES = {
    "decision": "decision",
    "model_worse": "model",
    "model_retrain": "model",
    "unexplained_profit": "unexplained_profit",
    "rejected_rows": "rejected_rows",
    "drawdown": "drawdown",
}

Found = Mapping[str, Seen]
"""What was seen, by subject; a subject that is not there is well."""


def in_marts(replica: Database, kinds: Collection[str]) -> tuple[dict[str, Found], dict[str, str]]:
    """What marts say, by kind of rule, and why a kind is not known now."""
    found: dict[str, Found] = {}
    unknown: dict[str, str] = {}
    with as_role(replica, "transformer").connect(
        autocommit=True, application=APPLICATION, options=OPTIONS
    ) as session:
        for kind in kinds:
            try:
                if kind == "build":
                    if builds := last_builds(session):  # else the first one is not over
                        told = "; ".join(build_problems(builds))
                        found[kind] = {"marts": Seen(float(bool(told)), told)}
                elif kind in _QUERIES:
                    found[kind] = {
                        row["subject"]: _seen(row) for row in rows(session, _QUERIES[kind])
                    }
            except psycopg.errors.LockNotAvailable:
                pass  # a build replaces the mart at this moment
            except psycopg.Error as error:
                if session.broken:
                    raise
                unknown[kind] = error.diag.message_primary or type(error).__name__
    return found, unknown


def rows(session: Connection, query: str) -> Sequence[dict[str, Any]]:
    """The rows of ``sql/<query>.sql``."""
    return session.cursor(row_factory=dict_row).execute(_statement(query)).fetchall()


@cache
def _statement(query: str) -> bytes:
    return resources.files("runner.alerts").joinpath(f"sql/{query}.sql").read_bytes()


def _seen(row: Mapping[str, Any]) -> Seen:
    if "level" in row:
        return Seen(row["level"], row["text"])
    level = model_level(row["is_open"], row["breach_days"], row["figure"], row["threshold"])
    return Seen(level, row["text"])


def model_level(
    is_open: bool, breach_days: int, figure: float | None, threshold: float | None
) -> float:
    """2: an alarm; 1: got worse; 0.5: not below half of the threshold, as if that went on; or 0."""
    if is_open:
        return 2
    if breach_days:
        return 1
    is_near = figure is not None and threshold is not None and figure >= threshold / 2
    return 0.5 if is_near else 0


def in_replication(
    primary: Database, replica: Database, way: str | None, contract: Sequence[Table]
) -> Found:
    """What is wrong on each side, as ``status`` tells it; 1: it ends by itself, 2: it does not."""
    told: dict[str, list[tuple[float, str]]] = {"primary": [], "replica": []}
    try:
        with (
            replica.connect(
                autocommit=True, application=APPLICATION, options=OPTIONS
            ) as on_replica,
            primary.connect(
                autocommit=True, application=APPLICATION, options=OPTIONS
            ) as on_primary,
        ):
            try:
                sides = Sides(primary, replica, on_primary, on_replica, way)
                for fault in health.find(sides, contract):
                    told[fault.side].append((1 if fault.is_passing else 2, str(fault)))
            except psycopg.Error:
                # What this login may not see comes last.
                if on_primary.broken or on_replica.broken:
                    raise
    except ConnectionFailedError as error:
        told["replica" if "the replica" in str(error) else "primary"].append((2, str(error)))
    return {
        side: Seen(max(level for level, _ in faults), "; ".join(text for _, text in faults))
        for side, faults in told.items()
        if faults
    }
