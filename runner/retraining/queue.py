"""Asking for retrainings: a model has one that waits and one that runs, at most."""

from __future__ import annotations

from datetime import datetime

import psycopg

from runner.errors import SignalMartsError
from runner.retraining.jobs import WAITING, note_end, queue_of
from runner.servers.database import Connection, scalar

REFUSED = "nothing was registered"
"""How the outcome of a job begins that a trial ended, which began after the job was asked for."""


class RefusedError(SignalMartsError):
    """A retraining is not begun: another one of the model, or a trial, is under way."""

    exit_code = 5


def ask(
    primary: Connection,
    model: str,
    reason: str,
    as_of: datetime | None = None,
    newer_than: datetime | None = None,
) -> int | None:
    """Queue a retraining, and return its number.

    With ``newer_than``, nothing is done, and None returned, if one was queued at that time or
    later, and no trial ended it. Raises RefusedError if one of the model waits, or a trial of its
    versions runs.
    """
    with primary.transaction():
        primary.execute("set local lock_timeout = '5s'")
        # Of two who ask at once, one waits. It is a table that workers do not touch: the insertion
        # below waits for the worker that just gives a job of the model back.
        primary.execute(
            "lock table retraining.procrastinate_periodic_defers in share row exclusive mode"
        )
        if newer_than is not None and scalar(
            primary,
            "select exists (select from retraining.jobs where model_name = %s and queued_at >= %s"
            " and not coalesce(starts_with(outcome, %s), false))",
            (model, newer_than, REFUSED),
        ):
            return None
        check_trial(primary, model)
        waiting = scalar(
            primary,
            "select id from retraining.procrastinate_jobs"
            " where queueing_lock = %s and status = 'todo'",
            (model,),
        )
        if waiting is not None:
            raise RefusedError(f"retraining {waiting} of {model} waits already")
        try:
            number = scalar(
                primary,
                "select unnest(retraining.procrastinate_defer_jobs_v1(array[row(%s, 'retrain', 0,"
                " %s, %s, '{}', null)]::retraining.procrastinate_job_to_defer_v1[]))",
                (queue_of(model), model, model),
            )
        except psycopg.errors.UniqueViolation:
            raise RefusedError(f"the last retraining of {model} waits already again") from None
        primary.execute(
            "insert into retraining.jobs (id, model_name, reason, as_of, deadline)"
            " values (%s, %s, %s, %s, clock_timestamp() + %s)",
            (number, model, reason, as_of, WAITING),
        )
    return int(number)


def check_trial(primary: Connection, model: str) -> None:
    """Raise RefusedError if the trial of a version that retraining registered is not decided."""
    running = scalar(primary, "select public.running_ai_retrial(%s)", (model,))
    if running is not None:
        raise RefusedError(
            f"the trial of {model} {running} is not decided, and is not replaced: retrain when it"
            " is (signal-marts judge), or retire that version (signal-marts stage)"
        )


def cancel(primary: Connection, model: str) -> str | None:
    """Cancel the model's waiting job, and abort its running one; say what was done, if anything."""
    done = []
    for number, status in primary.execute(
        "select id, status::text from retraining.procrastinate_jobs"
        " where lock = %s and status in ('todo', 'doing') order by id",
        (model,),
    ).fetchall():
        with primary.transaction():
            cancelled = scalar(
                primary,
                "select retraining.procrastinate_cancel_job_v1(%s, true, false)",
                (number,),
            )
            if cancelled is None:
                continue  # it has just ended
            if status == "todo":
                note_end(primary, number, "cancelled")
            done.append(f"retraining {number} {'cancelled' if status == 'todo' else 'is ended'}")
    return "; ".join(done) or None
