"""The demo's story: a market turns, a model gets worse, and a better version takes its place.

What a team's schedule would do, the story does on some nights of the replay: build the marts, look
for an alarm, retrain, and judge the trial. Nothing is decided by the story itself.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from datetime import datetime
from typing import Any

from runner.build import builds
from runner.client.records import Model
from runner.demo.market import TURN_DAYS
from runner.demo.modules import AIModule, ReinforcementModule
from runner.errors import Failure
from runner.retraining import queue, registration, trials
from runner.retraining.plan import Retraining
from runner.retraining.worker import Worker
from runner.servers.database import Connection, Database
from runner.servers.role_logins import as_role

MODEL = "trend_rider"

_BARS = 720  # thirty days: what each version learns from
# Builds take seconds, so the demo looks on few nights: for an alarm, and later whether the trial is
# decided.
_EVERY = 5
_ALARM_FROM = TURN_DAYS + 35
_TRIAL_FROM = TURN_DAYS + 95


def first_version(seed: int) -> ReinforcementModule:
    """The version that learns once, while the market has trends."""
    return _module(seed, window=_BARS)


def _module(seed: int, **given: Any) -> ReinforcementModule:
    return ReinforcementModule(
        seed, MODEL, memory=_BARS, retrain_bars=_BARS, is_static=True, **given
    )


class Story:
    """What happens at night; ``report`` is told."""

    def __init__(
        self,
        primary: Database,
        replica: Database,
        *,
        seed: int,
        fence_timeout: float,
        report: Callable[[str], None],
    ) -> None:
        self._primary = primary
        self._replica = replica
        self._seed = seed
        self._fence_timeout = fence_timeout
        self._report = report
        self._challenger: AIModule | None = None
        self._is_over = False

    def is_due(self, day: int) -> bool:
        """Whether the marts are looked at after a day, counted from 1."""
        first = _ALARM_FROM if self._challenger is None else _TRIAL_FROM
        return not self._is_over and day >= first and (day - first) % _EVERY == 0

    def night(self, connection: Connection, at: datetime) -> AIModule | None:
        """Look at the marts as of ``at``; return a version that forecasts in shadow from now on."""
        built = builds.build(
            self._primary,
            self._replica,
            fence_timeout=self._fence_timeout,
            advance=lambda done, total, what: None,
            exclude=("resource_type:test",),
        )
        if built.failures:
            raise Failure(f"a model was not built: {built.failures[0]}")
        if self._challenger is None:
            return self._retrain(connection, at)
        self._judge(connection, at)
        return None

    def _retrain(self, connection: Connection, at: datetime) -> AIModule | None:
        """Retrain the model if there is an alarm."""
        with as_role(self._replica, "bi_reader").connect() as reader:
            alarm = reader.execute(
                "select reason, alarm_date from operations.retraining_triggers"
                " where model_name = %s order by alarm_date, reason limit 1",
                (MODEL,),
            ).fetchone()
        if alarm is None:
            return None
        reason = f"alarm: {alarm[0]}, on {alarm[1]}"
        how = Retraining.model_validate({"trainer": "reinforcement", "seed": self._seed})
        with self._primary.connect(autocommit=True) as session:
            queue.ask(session, MODEL, reason, at)
            worker = Worker(
                self._primary, self._replica, {MODEL: how}, threading.Event(), self._report
            )
            worker.run(once=True)
            last = registration.last(session, MODEL)
        if worker.failures or last.artifact is None:
            raise Failure(f"{MODEL} was not retrained; signal-marts retrain --list tells why")
        _happened(connection, at)
        self._challenger = _module(self._seed)
        self._challenger.restore(
            Model(last.model_type, MODEL, last.version, last.config), last.artifact
        )
        return self._challenger

    def _judge(self, connection: Connection, at: datetime) -> None:
        with as_role(self._replica, "transformer").connect(autocommit=True) as session:
            found = trials.read(session)
        with self._primary.connect(autocommit=True) as session:
            self._is_over = any(trials.decide(session, trial, self._report) for trial in found)
        _happened(connection, at)


def _happened(connection: Connection, at: datetime) -> None:
    """Give what the server's clock dated the market's time: the replay's clock is the market's."""
    with connection.transaction():
        connection.execute(
            "update public.ai_models set created_at = %(at)s, updated_at = %(at)s"
            " where created_at > %(at)s",
            {"at": at},
        )
        connection.execute(
            "update public.ai_model_stages"
            " set since = least(since, %(at)s), created_at = least(since, %(at)s)"
            " where created_at > %(at)s",
            {"at": at},
        )
