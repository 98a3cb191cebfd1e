"""Trials of versions in shadow: promoted when proven better, retired when the time is over."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

import psycopg
from psycopg.rows import class_row
from psycopg.types.json import Jsonb

from runner.errors import UsageError
from runner.servers.database import Connection, scalar

_RUNNING = (
    "select model_name, challenger_id, challenger_version, champion_id, champion_version, clusters,"
    " challenger_outcomes, loss_difference, e_value, highest_e_value, proven_date::text,"
    " first_date::text, deadline_date::text, verdict, available_at from operations.model_trials"
    " where verdict <> 'ended' and available_at is not null order by model_name, challenger_id"
)


@dataclass(frozen=True, slots=True)
class Trial:
    """A row of ``operations.model_trials`` whose stages last; dates are ISO's."""

    model_name: str
    challenger_id: int
    challenger_version: str
    champion_id: int
    champion_version: str
    clusters: int
    challenger_outcomes: int
    loss_difference: float | None
    e_value: float
    highest_e_value: float
    proven_date: str | None
    first_date: str
    deadline_date: str
    verdict: str
    available_at: datetime


def read(replica: Connection) -> list[Trial]:
    """The trials that run, or wait for a decision. Raises UsageError before the first build."""
    try:
        return replica.cursor(row_factory=class_row(Trial)).execute(_RUNNING).fetchall()
    except (psycopg.errors.UndefinedTable, psycopg.errors.InvalidSchemaName) as error:
        raise UsageError(
            "there is no operations.model_trials yet: run signal-marts build"
        ) from error


def decide(primary: Connection, trial: Trial, report: Callable[[str], None]) -> bool:
    """Promote or retire the challenger, as the verdict says; return whether that was done.

    ``primary`` is in no transaction. Nothing is done where stages changed since the marts were
    built: the next build knows.
    """
    label = f"{trial.model_name} {trial.challenger_version}"
    if trial.verdict == "better":
        stage = "champion"
        reason = (
            f"better than version {trial.champion_version} on {trial.challenger_outcomes} outcomes,"
            f" proven on {trial.proven_date}"
        )
    elif trial.verdict == "unproven":
        stage = "retired"
        reason = (
            f"not proven better than version {trial.champion_version} by {trial.deadline_date},"
            f" on {trial.challenger_outcomes} outcomes"
        )
    else:
        return False
    evidence = {
        "clusters": trial.clusters,
        "outcomes": trial.challenger_outcomes,
        "loss_difference": trial.loss_difference,
        "e_value": trial.e_value,
        "highest_e_value": trial.highest_e_value,
        "champion_id": trial.champion_id,
        "first_date": trial.first_date,
    }
    try:
        is_changed = scalar(
            primary,
            "select public.set_ai_model_stage(%s, %s, %s, %s, data_cut => %s, was => 'shadow',"
            " replaces => %s)",
            (
                trial.challenger_id,
                stage,
                reason,
                Jsonb(evidence),
                trial.available_at,
                trial.champion_id,
            ),
        )
    except psycopg.Error as error:
        if error.sqlstate not in ("SM013", "SM015"):
            raise
        report(f"{label}: nothing done: {error.diag.message_primary}")
        return False
    if is_changed:
        report(f"{label} is {stage}: {reason}")
    return bool(is_changed)
