"""Jobs while they run: a job is leased by the session of its worker, by an advisory lock.

Once that session is gone, the job is dead, and the next worker gives it back to the queue. Every
change is made under the job's row and for one attempt of it, so a worker that was thought dead
changes nothing.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Literal

import psycopg

from runner.retraining.jobs import KEY, WAITING, Job, LostError, note_end, queue_of, read, read_one
from runner.retraining.queue import RefusedError
from runner.servers.database import Connection, scalar

_DEATHS = 3
"""Deaths of workers after which a job has failed."""

Ending = Literal["succeeded", "failed", "aborted"]

_LEASE = KEY.format(id="%s::bigint", attempts="%s::integer", since="%s::timestamptz")


def take(primary: Connection, models: Sequence[str]) -> Job | None:
    """Take the first waiting job of these models, with its lease; None where there is none."""
    with primary.transaction():
        number = scalar(
            primary,
            "select id from retraining.procrastinate_fetch_job_v2(%s::varchar[], null)",
            ([queue_of(model) for model in models],),
        )
        if number is None:
            return None
        # Until `begin` says how long it may take.
        primary.execute(
            "update retraining.jobs set since = clock_timestamp(),"
            " deadline = clock_timestamp() + interval '1 minute' where id = %s",
            (number,),
        )
        job = read_one(primary, number)
        if not scalar(primary, f"select pg_try_advisory_lock({_LEASE})", _key(job)):
            raise RefusedError(f"another session holds the lease of retraining {job.id}")
    return job


def begin(primary: Connection, job: Job, seconds: float) -> None:
    """Note that a job runs from now on, for so many seconds at most."""
    with primary.transaction():
        own(primary, job)
        primary.execute(
            "update retraining.jobs set done = 0, doing = '', outcome = null,"
            " deadline = clock_timestamp() + %s where id = %s",
            (timedelta(seconds=seconds), job.id),
        )


def note_progress(primary: Connection, job: Job, done: float, doing: str) -> bool:
    """Note how far a job is; return whether it is to be ended. Raises LostError."""
    row = primary.execute(
        "update retraining.jobs as j set done = %s, doing = %s"
        " from retraining.procrastinate_jobs as p"
        " where j.id = p.id and p.id = %s and p.status = 'doing' and p.attempts = %s"
        " returning p.abort_requested",
        (done, doing, job.id, job.attempts),
    ).fetchone()
    if row is None:
        raise LostError(f"retraining {job.id} was taken for dead")
    return bool(row[0])


def own(primary: Connection, job: Job) -> None:
    """In a transaction: keep others from the job until its end. Raises LostError."""
    if (
        primary.execute(
            "select from retraining.procrastinate_jobs"
            " where id = %s and status = 'doing' and attempts = %s for update",
            (job.id, job.attempts),
        ).fetchone()
        is None
    ):
        raise LostError(f"retraining {job.id} was taken for dead")


def end(
    primary: Connection,
    job: Job,
    ending: Ending,
    outcome: str,
    model_id: int | None = None,
    version: str | None = None,
) -> None:
    """End a job that is ours."""
    with primary.transaction():
        own(primary, job)
        primary.execute(
            "select retraining.procrastinate_finish_job_v1(%s, %s, false)", (job.id, ending)
        )
        note_end(primary, job.id, outcome, model_id, version)


def give_back(
    primary: Connection,
    job: Job,
    why: str,
    *,
    is_death: bool = True,
    after: timedelta = timedelta(),
) -> str:
    """Let a job that is ours, or dead, wait again; return what became of it.

    It has failed after three deaths, and is over if another one of the model waits by now.
    """
    deaths = job.deaths + is_death
    with primary.transaction():
        own(primary, job)
        if scalar(
            primary,
            "select abort_requested from retraining.procrastinate_jobs where id = %s",
            (job.id,),
        ):
            end(primary, job, "aborted", "cancelled")
            return "cancelled"
        if deaths >= _DEATHS:
            end(primary, job, "failed", outcome := f"{why}, as {deaths - 1} times before")
            return outcome
        try:
            with primary.transaction():
                primary.execute(
                    "select retraining.procrastinate_retry_job_v2("
                    "%s, clock_timestamp() + %s, null, null, null)",
                    (job.id, after),
                )
        except psycopg.errors.UniqueViolation:
            end(primary, job, "failed", outcome := f"{why}; a later one waits")
            return outcome
        primary.execute(
            "update retraining.jobs set since = clock_timestamp(), done = 0, doing = '',"
            " deadline = clock_timestamp() + %s, deaths = %s, outcome = %s where id = %s",
            (WAITING, deaths, why, job.id),
        )
    return f"{why}; it waits again"


def release(primary: Connection, job: Job) -> None:
    """Let go of the lease of a job that has ended."""
    primary.execute(f"select pg_advisory_unlock({_LEASE})", _key(job))


def _key(job: Job) -> tuple[int, int, datetime]:
    return job.id, job.attempts, job.since


def sweep(primary: Connection) -> list[str]:
    """Give dead jobs back to the queue, and end those that waited too long; say what was done.

    For a session that holds no lease.
    """
    told = []
    for job in read(primary, last=10_000, is_open=True):
        try:
            if job.state == "dead":
                told.append(f"retraining {job.id} of {job.model}: {_bury(primary, job)}")
            elif job.state == "waiting" and _is_overdue(primary, job):
                told.append(f"retraining {job.id} of {job.model}: no worker took it in time")
        except LostError:
            continue  # somebody else did it
    return told


def _bury(primary: Connection, job: Job) -> str:
    with primary.transaction():
        is_free = scalar(primary, f"select pg_try_advisory_xact_lock({_LEASE})", _key(job))
        # By now its worker may have ended it, and gone.
        own(primary, job)
        if not is_free and read_one(primary, job.id).state != "dead":
            raise LostError(f"retraining {job.id} is held again")
        why = "its worker died" if is_free else "its worker did not end it in time"
        return give_back(primary, job, why)


def _is_overdue(primary: Connection, job: Job) -> bool:
    with primary.transaction():
        row = primary.execute(
            "select from retraining.procrastinate_jobs as p"
            " inner join retraining.jobs as j on p.id = j.id"
            " where p.id = %s and p.status = 'todo' and clock_timestamp() > j.deadline"
            " for update of p skip locked",
            (job.id,),
        ).fetchone()
        if row is None:
            return False
        primary.execute(
            "select retraining.procrastinate_finish_job_v1(%s, 'failed', false)", (job.id,)
        )
        days = WAITING.days
        note_end(primary, job.id, f"no worker took it for {days} days: run signal-marts worker")
        return True
