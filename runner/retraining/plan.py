"""``retraining.yml``: which models are retrained, by what, when, within which limits."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Mapping
from importlib import metadata
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, field_validator

from runner import yaml_files
from runner.errors import UsageError
from runner.settings import load

TRAINERS = "signal_marts.trainers"
"""The group of entry points that trainers are."""

Plan = Mapping[str, "Retraining"]
"""What the file says, by model."""


class PlanError(UsageError):
    """The file is wrong: a line for each fault, with its place and the mend."""


class Retraining(BaseModel):
    """How a model is retrained; docs/retraining.md describes each."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)

    trainer: str | None = None
    command: list[str] | None = Field(default=None, min_length=1)
    seed: int = Field(default=0, ge=0, lt=2**32)
    options: dict[str, Any] = {}
    schedule: str | None = None
    on_triggers: bool = False
    timeout_minutes: float = Field(default=60, gt=0, le=7 * 24 * 60)
    memory_mb: int = Field(default=4096, ge=64)
    disk_mb: int = Field(default=4096, ge=1)

    @property
    def means(self) -> str:
        """The trainer's name, or the command's words."""
        return self.trainer or " ".join(self.command or ())

    @field_validator("options")
    @classmethod
    def _is_json(cls, options: dict[str, Any]) -> dict[str, Any]:
        try:
            json.dumps(options, allow_nan=False)
        except (TypeError, ValueError) as error:
            raise ValueError(
                f"has no JSON: {error}; quote dates, leave out .nan and .inf"
            ) from None
        return options

    @field_validator("schedule")
    @classmethod
    def _is_cron(cls, schedule: str | None) -> str | None:
        from croniter import CroniterBadDateError, croniter

        if schedule is None:
            return None
        # A random word would name another moment each time.
        is_random = re.search(r"\b[hr]\b", schedule.lower())
        if is_random or len(schedule.split()) != 5 or not croniter.is_valid(schedule):
            raise ValueError('is no schedule: write five words of cron in UTC, as "0 3 * * 0"')
        try:
            croniter(schedule).get_next()
        except CroniterBadDateError:
            raise ValueError(f"is a schedule that never comes: {schedule}") from None
        return schedule

    @field_validator("trainer")
    @classmethod
    def _is_installed(cls, trainer: str | None) -> str | None:
        known = sorted(each.name for each in metadata.entry_points(group=TRAINERS))
        if trainer is not None and trainer not in known:
            raise ValueError(
                f"{trainer} is no installed trainer: {', '.join(known) or 'none is installed'};"
                f" a trainer is an entry point of the group {TRAINERS}"
            )
        return trainer

    @field_validator("command")
    @classmethod
    def _is_there(cls, command: list[str] | None) -> list[str] | None:
        # It runs in another folder, where a relative path leads elsewhere.
        if command is not None and (
            ("/" in command[0] and not Path(command[0]).is_absolute())
            or shutil.which(command[0]) is None
        ):
            raise ValueError(
                f"{command[0]} is no program here: give an absolute path, or a name on PATH"
            )
        return command


def read(path: Path | None = None) -> Plan:
    """Read the file, by default the setting's; no file is an empty plan.

    Raises PlanError with all faults.
    """
    found = yaml_files.read(
        path, load().retraining, "retraining.yml", "SIGNAL_MARTS_RETRAINING", PlanError
    )
    if found is None:
        return {}
    plan = found.validated(TypeAdapter(dict[str, Retraining]), Retraining.model_fields)
    found.check(
        ((model,), "says neither or both of trainer and command: give one of them")
        for model, each in plan.items()
        if (each.trainer is None) == (each.command is None)
    )
    return plan


def of(plan: Plan, model: str) -> Retraining:
    """How a model is retrained. Raises UsageError where the file does not say."""
    if model not in plan:
        named = f"it names {', '.join(plan)}" if plan else "there is none, or it names no model"
        raise UsageError(f"retraining.yml does not say how {model} is retrained; {named}")
    return plan[model]
