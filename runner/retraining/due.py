"""What is to be retrained by now: what schedules say, and alarms of models."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta

import psycopg

from runner.retraining import queue
from runner.retraining.plan import Plan
from runner.retraining.queue import RefusedError
from runner.servers.database import Connection, Database, scalar
from runner.servers.role_logins import as_role

_CAUGHT_UP = timedelta(days=1)
"""How long a scheduled time is made up for that no worker saw."""

# The newest alarm of each model since its newest version was registered.
_ALARMS = """
select distinct on (t.model_name) t.model_name, t.available_at, t.model_version, t.reason
from operations.retraining_triggers as t
where
    t.model_name = any(%s)
    and t.available_at > (
        select max(m.created_at) from staging.stg_ai__models as m where m.model_name = t.model_name
    )
order by t.model_name, t.available_at desc, t.reason
"""


def scheduled(schedule: str, now: datetime) -> datetime | None:
    """The last moment, at most a day ago, at which a schedule (cron, UTC) asks for a training."""
    from croniter import croniter

    # A moment itself counts.
    last: datetime = croniter(schedule, now.astimezone(UTC) + timedelta(seconds=1)).get_prev(
        datetime
    )
    return last if now - last <= _CAUGHT_UP else None


def ask_for_all(
    primary: Connection, replica: Database, plan: Plan, report: Callable[[str], None]
) -> None:
    """Queue what schedules and alarms ask for, each moment or alarm once.

    What is refused meanwhile is asked for again the next time.
    """
    now = scalar(primary, "select clock_timestamp()")
    asked: list[tuple[str, str, datetime]] = []
    for model, how in plan.items():
        at = None if how.schedule is None else scheduled(how.schedule, now)
        if at is not None:
            asked.append((model, f"schedule of {at:%Y-%m-%d %H:%M}", at))
    asked += _alarms(replica, [model for model, how in plan.items() if how.on_triggers])
    for model, reason, at in asked:
        try:
            number = queue.ask(primary, model, reason, newer_than=at)
        except RefusedError:
            continue
        if number is not None:
            report(f"retraining {number} of {model} queued: {reason}")


def _alarms(replica: Database, models: Sequence[str]) -> list[tuple[str, str, datetime]]:
    if not models:
        return []
    with as_role(replica, "transformer").connect(autocommit=True) as connection:
        try:
            found = connection.execute(_ALARMS, (list(models),)).fetchall()
        except (psycopg.errors.UndefinedTable, psycopg.errors.InvalidSchemaName):
            return []  # nothing was built yet
    return [
        (model, f"alarm of version {version}: {reason}", at) for model, at, version, reason in found
    ]
