"""Stages of model versions: champion, shadow, retired. One champion a name, kept by the primary."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Literal, get_args

from psycopg.rows import class_row

from runner.errors import UsageError
from runner.servers.database import Connection, scalar
from runner.servers.planted import plain

Stage = Literal["champion", "shadow", "retired"]
STAGES: tuple[Stage, ...] = get_args(Stage)


@dataclass(frozen=True, slots=True)
class Version:
    """A registered version of a model, with its stage of now: since when, and why."""

    model_id: int
    name: str
    version: str
    stage: Stage
    since: datetime
    reason: str


def read(primary: Connection) -> list[Version]:
    """All versions, by name and age. Raises PlantedError if reading would run somebody's code."""
    cursor = primary.cursor(row_factory=class_row(Version))
    with plain(primary, "public.ai_models"), plain(primary, "public.ai_model_stages"):
        return cursor.execute(
            "select m.id as model_id, m.model_name as name, m.version, s.stage, s.since, s.reason"
            " from public.ai_models as m cross join lateral ("
            " select stage, since, reason from public.ai_model_stages where model_id = m.id"
            " order by since desc, id desc limit 1) as s order by m.model_name, m.id"
        ).fetchall()


def set_stage(primary: Connection, name: str, version: str, stage: Stage, reason: str) -> bool:
    """Give a version a stage from now on; a new champion puts the former one into shadow.

    Returns whether anything changed. Raises UsageError if there is no such version, or no reason.
    """
    if not reason.strip():
        raise UsageError("give a reason: it stays in the model's history")
    versions = {(each.name, each.version): each.model_id for each in read(primary)}
    model_id = versions.get((name, version))
    if model_id is None:
        listed = ", ".join(map(" ".join, versions)) or "none yet"
        raise UsageError(f"there is no model {name} {version}; registered are: {listed}")
    return bool(
        scalar(primary, "select public.set_ai_model_stage(%s, %s, %s)", (model_id, stage, reason))
    )
