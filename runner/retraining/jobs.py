"""The jobs of retraining, on the primary: procrastinate's rows, and ours of the same numbers.

``queue`` asks for them, ``leases`` changes them while they run.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from datetime import datetime, timedelta

from psycopg.rows import class_row

from runner.errors import SignalMartsError
from runner.servers.database import Connection, scalar

WAITING = timedelta(days=7)
"""How long a job waits for a worker."""

_REGISTERING = timedelta(minutes=5)
"""How much longer than its trainer a worker may have a job."""


class LostError(SignalMartsError):
    """The job is no longer this worker's: it was taken for dead."""


class NoQueueError(SignalMartsError):
    """The primary has no queue."""


@dataclass(frozen=True, slots=True)
class Job:
    """A retraining.

    ``state`` is waiting, running, dead, done, failed or cancelled; ``deadline`` is that of waiting
    or running.
    """

    id: int
    model: str
    state: str
    reason: str
    as_of: datetime | None
    queued_at: datetime
    since: datetime
    deadline: datetime
    attempts: int
    deaths: int
    done: float
    doing: str
    outcome: str | None
    version: str | None

    @property
    def in_short(self) -> str:
        """Its outcome, of which a trainer's output is the last line; else its reason."""
        first, *further = (self.outcome or self.reason).splitlines()
        return f"{first} {further[-1].strip()}" if further else first


# The key of a lease: of a job's attempt, so that the next one has another; and of the moment at
# which it was taken, which nobody else knows before, so that no other login holds the lock already.
# A key of 64 bits is in pg_locks as two halves.
KEY = (
    "hashtextextended('retraining ' || {id} || ' ' || {attempts} || ' '"
    " || extract(epoch from {since}), 0)"
)
_JOB_KEY = KEY.format(id="p.id", attempts="p.attempts", since="j.since")

_JOBS = f"""
select
    j.id,
    j.model_name as model,
    case
        when p.status = 'todo' then 'waiting'
        when p.status = 'doing' and clock_timestamp() > j.deadline + %(registering)s then 'dead'
        when p.status = 'doing' and exists (
            select from pg_locks as l
            where
                l.locktype = 'advisory' and l.granted and l.objsubid = 1
                and l.database = (select oid from pg_database where datname = current_database())
                and (l.classid::bigint << 32) | l.objid::bigint = {_JOB_KEY}
        ) then 'running'
        when p.status = 'doing' then 'dead'
        when p.status = 'succeeded' then 'done'
        when p.status = 'failed' then 'failed'
        else 'cancelled'
    end as state,
    j.reason, j.as_of, j.queued_at, j.since, j.deadline, p.attempts, j.deaths, j.done, j.doing,
    j.outcome, j.version
from retraining.jobs as j
inner join retraining.procrastinate_jobs as p on j.id = p.id
"""  # noqa: S608 - of constants


def is_there(primary: Connection) -> bool:
    """Whether the primary has a queue that this login may read."""
    return bool(
        scalar(
            primary,
            "select count(*) = 1 and bool_and(has_schema_privilege(n.oid, 'usage'))"
            " and bool_and(has_table_privilege(c.oid, 'select'))"
            " from pg_class as c inner join pg_namespace as n on c.relnamespace = n.oid"
            " where n.nspname = 'retraining' and c.relname = 'jobs'",
        )
    )


def check(primary: Connection) -> None:
    """Raise NoQueueError where there is none to work with."""
    if not is_there(primary):
        raise NoQueueError(
            "the primary has no queue of retrainings that this login may use: run signal-marts"
            " deploy, and use the login that deploys"
        )


def read(primary: Connection, last: int = 50, *, is_open: bool = False) -> list[Job]:
    """The last jobs, the newest first, or those of them that have not ended; states are of now."""
    cursor = primary.cursor(row_factory=class_row(Job))
    return cursor.execute(
        f"{_JOBS} where not %(is_open)s or p.status in ('todo', 'doing')"
        " order by j.id desc limit %(last)s",
        {"registering": _REGISTERING, "last": last, "is_open": is_open},
    ).fetchall()


def open_or_last(primary: Connection) -> tuple[Job, ...]:
    """Jobs that wait, run or are dead, and the last other one of each model."""
    kept: list[Job] = []
    ended: set[str] = set()
    for job in read(primary, last=1000):
        if job.state not in ("waiting", "running", "dead"):
            if job.model in ended:
                continue
            ended.add(job.model)
        kept.append(job)
    return tuple(kept)


def read_one(primary: Connection, number: int) -> Job:
    cursor = primary.cursor(row_factory=class_row(Job))
    found = cursor.execute(
        f"{_JOBS} where j.id = %(id)s", {"registering": _REGISTERING, "id": number}
    ).fetchone()
    if found is None:
        raise LostError(f"retraining {number} is not one of ours")
    return found


def note_end(
    primary: Connection,
    number: int,
    outcome: str,
    model_id: int | None = None,
    version: str | None = None,
) -> None:
    primary.execute(
        "update retraining.jobs set since = clock_timestamp(), deadline = clock_timestamp(),"
        " outcome = %s, model_id = %s, version = %s where id = %s",
        (outcome, model_id, version, number),
    )


def queue_of(model: str) -> str:
    """The queue of a model's jobs: notices of a queue allow its name 40 bytes."""
    return hashlib.sha256(model.encode()).hexdigest()[:32]
