"""The message of the day: what was earned, decided and learned, and what is not well."""

from __future__ import annotations

import importlib.util
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import psycopg

from runner import extras
from runner.alerts import observed
from runner.alerts.books import Key
from runner.alerts.states import FIRING, State
from runner.servers.database import Connection, Database
from runner.servers.role_logins import as_role
from runner.words import plural

Rows = Sequence[Mapping[str, Any]]

_REPORT_SECONDS = 300
_LISTED = 20


def text(replica: Database, states: Mapping[Key, State]) -> str:
    """The message, from marts that are fresh."""
    with as_role(replica, "transformer").connect(
        autocommit=True, application=observed.APPLICATION, options=observed.OPTIONS
    ) as session:
        parts = [
            ("Realized P&L today (UTC)", _lines(session, "day", _profits)),
            ("Decisions", _lines(session, "decision", _decisions)),
            ("Models", _lines(session, "model", _models)),
        ]
    parts.append(("Open alerts", list(open_alerts(states)) or ["none"]))
    return "\n\n".join("\n".join([title, *lines]) for title, lines in parts)


def stale(since: str, states: Mapping[Key, State]) -> str:
    """The message while marts are stale: no figure of theirs would be of today."""
    lines = [f"Stale: {since}. So no figures, and no report.", "", "Open alerts"]
    return "\n".join([*lines, *(list(open_alerts(states)) or ["none"])])


def open_alerts(states: Mapping[Key, State]) -> Iterator[str]:
    """A line for each alert that fires."""
    for (rule, subject), state in states.items():
        if state.told == FIRING:
            seen = ", acknowledged" if state.acknowledged_at else ""
            yield f"{rule}: {subject}, since {state.told_at:%Y-%m-%d %H:%M} UTC{seen}: {state.text}"


def _lines(session: Connection, query: str, told: Callable[[Rows], list[str]]) -> list[str]:
    """What a query's rows tell; a mart that cannot be read keeps no other line back."""
    try:
        lines = told(observed.rows(session, query))
    except psycopg.Error as error:
        if session.broken:
            raise
        return [f"not known: {error.diag.message_primary or type(error).__name__}"]
    more = [f"and {len(lines) - _LISTED} more"] if len(lines) > _LISTED else []
    return [*lines[:_LISTED], *more] or ["none"]


def _profits(rows: Rows) -> list[str]:
    return [f"{row['account']}: {row['text']}" for row in rows]


def _decisions(rows: Rows) -> list[str]:
    return [f"{row['subject']}: {row['level']}, {row['text']}" for row in rows]


def _models(rows: Rows) -> list[str]:
    bad = [row for row in rows if row["is_open"] or row["breach_days"]]
    if not bad:
        versions = {row["subject"].rpartition(": ")[0] for row in rows}
        return [f"none of {plural(len(versions), 'version')} is getting worse"]
    return [
        f"{row['subject']}: {'needs retraining' if row['is_open'] else 'is getting worse'}"
        for row in bad
    ]


def report(path: Path, environment: Mapping[str, str]) -> str | None:
    """Write the HTML report, in a process of its own; say why there is none, or None.

    It draws for seconds, for which no round should wait.
    """
    if any(importlib.util.find_spec(each) is None for each in extras.MODULES["report"]):
        return f"the extra report is not installed: {extras.installing('report')}"
    try:
        done = subprocess.run(
            [sys.executable, "-m", "runner", "report", "--output", str(path)],
            env=environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=_REPORT_SECONDS,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        return f"signal-marts report: {type(error).__name__}"
    return "signal-marts report fails: run it to see why" if done.returncode else None
