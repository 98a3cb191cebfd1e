"""The worker: takes retrainings from the queue and runs them, one after the other."""

from __future__ import annotations

import json
import os
import shutil
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from datetime import timedelta
from pathlib import Path

import psycopg

from runner.errors import SignalMartsError
from runner.retraining import candidate, due, jobs, leases, queue, registration, sandbox
from runner.retraining import training_set as sets
from runner.retraining.jobs import Job, LostError
from runner.retraining.plan import Plan, Retraining
from runner.retraining.queue import RefusedError
from runner.retraining.sandbox import TrainerError
from runner.servers.database import Connection, ConnectionFailedError, Database, scalar
from runner.servers.deploy_lock import LockedError
from runner.servers.role_logins import as_role

_POLL = 1.0
_DUE_EVERY = 30.0
_CANCELLED_EVERY = 0.2
_AGAIN = timedelta(minutes=1)
"""After how long a job waits again that failed by our databases."""

_LATE = 30.0
"""Seconds that a trainer's own supervisor has to end it, before its worker does."""

_LOCKED = "30s"
"""How long a table of the primary may be locked by others."""

_TOO_LONG = "it took longer than timeout_minutes"
_SHOWN = 5000
"""Characters that are kept of what a trainer or an error says."""


class _StoppedError(Exception):
    """The worker is asked to stop."""


class _AbortedError(Exception):
    """The job is to be ended."""


class Worker:
    """Runs the jobs of a plan's models until ``stop`` is set; ``report`` gets a line an event."""

    def __init__(
        self,
        primary: Database,
        replica: Database,
        plan: Plan,
        stop: threading.Event,
        report: Callable[[str], None],
    ) -> None:
        self._primary = primary
        self._replica = replica
        self._plan = plan
        self._stop = stop
        self._report = report
        self._next_due = 0.0
        self.failures = 0

    def run(self, *, once: bool = False) -> None:
        """Work until asked to stop; or, ``once``, until no job waits.

        A lost connection to the primary is made again, unless once: its job is dead by then.
        """
        pause = _POLL
        while not self._stop.is_set():
            try:
                with self._primary.connect(
                    autocommit=True,
                    application="signal-marts worker",
                    options=f"-c lock_timeout={_LOCKED}",
                ) as connection:
                    jobs.check(connection)
                    while not self._stop.is_set():
                        was_one = self._round(connection)
                        pause = _POLL
                        if not was_one and once:
                            return
                        if not was_one:
                            self._stop.wait(_POLL)
                    return
            except (psycopg.OperationalError, ConnectionFailedError) as error:
                if once:
                    raise
                self._report(f"the primary cannot be used: {_said(error)}")
                self._stop.wait(pause)
                pause = min(2 * pause, 60)

    def _round(self, connection: Connection) -> bool:
        """Run a job; return whether there was one."""
        for told in leases.sweep(connection):
            self._report(told)
        self._ask(connection)
        try:
            job = leases.take(connection, list(self._plan))
        except RefusedError as error:
            self._report(str(error))
            job = None
        if job is None:
            return False
        self._report(f"retraining {job.id} of {job.model}: begins ({job.reason})")
        try:
            outcome = self._outcome(connection, job)
            leases.release(connection, job)
        except LostError as error:
            outcome = str(error)
        self._report(f"retraining {job.id} of {job.model}: {outcome}")
        return True

    def _ask(self, connection: Connection) -> None:
        if time.monotonic() < self._next_due:
            return
        self._next_due = time.monotonic() + _DUE_EVERY
        try:
            due.ask_for_all(connection, self._replica, self._plan, self._report)
        except (psycopg.Error, SignalMartsError) as error:
            if connection.closed:
                raise
            self._report(f"schedules and alarms were not looked at: {_said(error)}")

    def _outcome(self, connection: Connection, job: Job) -> str:
        """Run a job and note its end; return the end's words."""
        how = self._plan[job.model]
        try:
            leases.begin(connection, job, 60 * how.timeout_minutes)
            queue.check_trial(connection, job.model)
            folder = Path(tempfile.mkdtemp(prefix="signal-marts-retraining-"))
            try:
                return self._train(connection, job, how, folder)
            finally:
                shutil.rmtree(folder, ignore_errors=True)
        except LostError:
            raise
        except _StoppedError:
            return leases.give_back(connection, job, "its worker was stopped", is_death=False)
        except _AbortedError:
            leases.end(connection, job, "aborted", outcome := "cancelled")
        except RefusedError as error:
            leases.end(connection, job, "aborted", outcome := f"{queue.REFUSED}: {error}")
        except (psycopg.OperationalError, ConnectionFailedError, LockedError) as error:
            if connection.closed:
                raise
            return leases.give_back(connection, job, _said(error), after=_AGAIN)
        except Exception as error:
            if connection.closed:
                raise
            # One job, whatever it does, does not keep the others waiting.
            outcome = _said(error)
            leases.end(connection, job, "failed", outcome)
            self.failures += 1
        return outcome

    def _train(self, connection: Connection, job: Job, how: Retraining, folder: Path) -> str:
        last = registration.last(connection, job.model)
        as_of = job.as_of or scalar(connection, "select clock_timestamp()")
        end = time.monotonic() + 60 * how.timeout_minutes
        tick = _Ticker(connection, job, folder, self._stop, end)
        milliseconds = int(60_000 * how.timeout_minutes) + 1
        with (
            as_role(self._replica, "transformer").connect(
                autocommit=True, options=f"-c statement_timeout={milliseconds}"
            ) as replica,
            _cancelled_by(self._stop, replica),
        ):
            tick(is_new="writing the training set")
            try:
                made = sets.write(
                    replica,
                    job.model,
                    as_of,
                    folder / "training_set.parquet",
                    lambda done, total: tick(),
                )
            except psycopg.errors.QueryCanceled:
                if self._stop.is_set():
                    raise _StoppedError from None
                raise TimeoutError(_TOO_LONG) from None
        if last.artifact is not None:
            (folder / "last_artifact").write_bytes(last.artifact)
        assignment = {
            "model_name": job.model,
            "model_type": last.model_type,
            "training_set": made.path.name,
            "as_of": as_of.isoformat(),
            "last": {
                "version": last.version,
                "config": last.config,
                "artifact": None if last.artifact is None else "last_artifact",
            },
            "seed": how.seed,
            "options": how.options,
        }
        (folder / "assignment.json").write_text(json.dumps(assignment), "utf-8")
        command = how.command or [sys.executable, "-m", "runner.retraining.child", str(how.trainer)]
        tick(is_new="training")
        sandbox.run(
            command,
            folder,
            seconds=max(0.0, end - time.monotonic()),
            memory_mb=how.memory_mb,
            disk_mb=how.disk_mb,
            tick=tick,
        )
        checked = candidate.read(folder, job.model, last.model_type)
        tick(is_new="registering")
        return registration.register(connection, job, how, made, last.version, checked)


@contextmanager
def _cancelled_by(stop: threading.Event, connection: Connection) -> Iterator[None]:
    """Cancel whatever a session runs from the time on that ``stop`` is set."""
    is_over = threading.Event()

    def cancel() -> None:
        while not is_over.wait(_CANCELLED_EVERY):
            if stop.is_set():
                with suppress(psycopg.Error):  # asked for again
                    connection.cancel_safe()

    thread = threading.Thread(target=cancel)
    thread.start()
    try:
        yield
    finally:
        is_over.set()
        thread.join()


class _Ticker:
    """Notes a job's progress once a second, and raises where it is to be ended."""

    def __init__(
        self, connection: Connection, job: Job, folder: Path, stop: threading.Event, end: float
    ) -> None:
        self._connection = connection
        self._job = job
        self._file = folder / "progress.jsonl"
        self._stop = stop
        self._end = end
        self._done = 0.0
        self._doing = ""
        self._next = 0.0

    def __call__(self, is_new: str | None = None) -> None:
        if self._stop.is_set():
            raise _StoppedError
        if time.monotonic() > self._end + _LATE:
            raise TimeoutError(_TOO_LONG)
        if is_new is None and time.monotonic() < self._next:
            return
        self._next = time.monotonic() + 1
        if is_new is not None:
            self._doing = is_new
        else:
            self._read()
        if leases.note_progress(self._connection, self._job, self._done, self._doing):
            raise _AbortedError

    def _read(self) -> None:
        """The last whole line, if it says what it should: a trainer may write anything."""
        try:
            with candidate.opened(self._file) as file:
                file.seek(max(0, os.fstat(file.fileno()).st_size - _SHOWN))
                told = json.loads(file.read(_SHOWN).rpartition(b"\n")[0].rpartition(b"\n")[2])
            done, text = float(told["done"]), str(told["text"])
        except (
            *(OSError, ValueError, KeyError, TypeError, OverflowError, RecursionError),
            TrainerError,
        ):
            return
        if 0 <= done <= 1:
            self._done, self._doing = done, _storable(text)[:200]


def _said(error: Exception) -> str:
    """An error in words for people, without a secret of ours."""
    if isinstance(error, psycopg.Error):
        text = error.diag.message_primary or str(error).strip() or type(error).__name__
    elif isinstance(error, SignalMartsError):
        text = str(error)
    else:
        text = f"{type(error).__name__}: {error}"
    if isinstance(error, TrainerError):
        text = f"the trainer failed: {text}"
    return _storable(text)[:_SHOWN]


def _storable(text: str) -> str:
    """A text that PostgreSQL stores."""
    return text.replace("\0", "").encode("utf-8", "replace").decode()
