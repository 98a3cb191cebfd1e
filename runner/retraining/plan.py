"""``retraining.yml``: which models are retrained, by what, when, within which limits."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Iterator, Mapping
from importlib import metadata
from pathlib import Path
from typing import Any

import yaml
from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError, field_validator

from runner.errors import UsageError
from runner.settings import PROJECT, load

TRAINERS = "signal_marts.trainers"
"""The group of entry points that trainers are."""

Plan = Mapping[str, "Retraining"]
"""What the file says, by model."""

# PostgreSQL has neither NUL nor half a character.
_UNSTORABLE = re.compile("[\\0\ud800-\udfff]")


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
    given = path or load().retraining
    path = given or PROJECT / "retraining.yml"
    try:
        text = path.read_text("utf-8")
    except FileNotFoundError:
        if given is None:
            return {}
        raise PlanError(
            f"{path}: there is no such file; SIGNAL_MARTS_RETRAINING names it"
        ) from None
    except (OSError, UnicodeDecodeError) as error:
        raise PlanError(f"{path}: cannot be read: {error}") from None
    try:
        lines = dict(_lines(yaml.compose(text, Loader=yaml.SafeLoader), ()))
        content = yaml.safe_load(text)
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        line = 1 if mark is None else mark.line + 1
        told = getattr(error, "problem", None) or "cannot be read"
        raise PlanError(f"{path}:{line}: is no YAML: {told}") from None
    except ValueError as error:  # a date, or a number, that there is not
        raise PlanError(f"{path}:1: has a value that is none: {error}") from None
    except RecursionError:
        raise PlanError(f"{path}:1: is nested too deeply, or holds itself") from None
    try:
        plan = TypeAdapter(dict[str, Retraining]).validate_python(content or {}, strict=True)
    except ValidationError as error:
        faults = [(tuple(map(str, each["loc"])), each["msg"]) for each in error.errors()]
    else:
        faults = [
            ((model,), "says neither or both of trainer and command: give one of them")
            for model, each in plan.items()
            if (each.trainer is None) == (each.command is None)
        ]
        if not faults:
            return plan
    raise PlanError("\n".join(_told(path, lines, place, text) for place, text in faults))


def of(plan: Plan, model: str) -> Retraining:
    """How a model is retrained. Raises UsageError where the file does not say."""
    if model not in plan:
        named = f"it names {', '.join(plan)}" if plan else "there is none, or it names no model"
        raise UsageError(f"retraining.yml does not say how {model} is retrained; {named}")
    return plan[model]


def _told(
    path: Path, lines: Mapping[tuple[str, ...], int], place: tuple[str, ...], text: str
) -> str:
    line = next((lines[place[:n]] for n in range(len(place), 0, -1) if place[:n] in lines), 1)
    text = text.removeprefix("Value error, ")
    if text == "Extra inputs are not permitted":
        text = f"is no part of it: {', '.join(Retraining.model_fields)} are"
    return " ".join(f"{path}:{line}: {'.'.join(place)} {text}".split())


def _lines(node: yaml.Node | None, place: tuple[str, ...]) -> Iterator[tuple[tuple[str, ...], int]]:
    """The line of each name and entry."""
    if isinstance(node, yaml.ScalarNode):
        if _UNSTORABLE.search(node.value):
            raise yaml.MarkedYAMLError(
                problem=f"{node.value!r} has a character that is not stored",
                problem_mark=node.start_mark,
            )
    elif isinstance(node, yaml.MappingNode):
        seen = set()
        for key, value in node.value:
            if not isinstance(key, yaml.ScalarNode):
                raise yaml.MarkedYAMLError(problem="a name is a text", problem_mark=key.start_mark)
            if key.value in seen:
                raise yaml.MarkedYAMLError(
                    problem=f"{key.value} is there twice", problem_mark=key.start_mark
                )
            seen.add(key.value)
            yield (*place, str(key.value)), key.start_mark.line + 1
            yield from _lines(key, place)
            yield from _lines(value, (*place, str(key.value)))
    elif isinstance(node, yaml.SequenceNode):
        for number, value in enumerate(node.value):
            yield (*place, str(number)), value.start_mark.line + 1
