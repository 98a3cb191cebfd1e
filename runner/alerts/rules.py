"""``alerts.yml``: what is worth a word, when, to whom."""

from __future__ import annotations

import os
import re
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, time
from pathlib import Path
from typing import Annotated, Literal
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    TypeAdapter,
    field_validator,
)

from runner import yaml_files
from runner.errors import UsageError
from runner.settings import load

NAME = "alerts.yml"


@dataclass(frozen=True)
class Kind:
    """What a rule may look at, and what it does where its rule does not say.

    It fires at ``fires_at`` or more and clears below ``clears_at``, for as many minutes. None: a
    change is told, and there is no level.
    """

    levels: tuple[float, float] | None
    minutes: float = 0


KINDS = {
    "decision": Kind(None),
    "model_worse": Kind((1, 0.5)),
    "model_retrain": Kind((2, 2)),
    "stale": Kind((15, 5)),
    "build": Kind((1, 1)),
    "replication": Kind((2, 1), minutes=2),
    "unexplained_profit": Kind((1e-9, 1e-9)),
    "rejected_rows": Kind((1, 1)),
    "drawdown": Kind((0.1, 0.08)),
}

Severity = Literal["info", "warning", "critical"]


class AlertsError(UsageError):
    """The file is wrong: a line for each fault, with its place and the mend."""


def _clock(given: object) -> time:
    # YAML reads 22:00 without quotes as 1320 seconds, and 07:00 as a text.
    if isinstance(given, str) and re.fullmatch(r"([01]\d|2[0-3]):[0-5]\d", given):
        return time.fromisoformat(given)
    raise ValueError('is no time of day: write it in quotes, as "22:00"')


def _reference(given: str) -> str:
    # What was given is not repeated: it may be a secret.
    if not re.fullmatch(r"\$\{[A-Za-z_]\w*\}", given):
        raise ValueError(
            "is no reference: write ${TELEGRAM_URL}, and set that variable to the URL;"
            " a URL is a secret, which does not belong into this file"
        )
    return given[2:-1]


Clock = Annotated[time, BeforeValidator(_clock)]
Reference = Annotated[str, AfterValidator(_reference)]


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)


class Quiet(_Part):
    """Hours, in the file's time zone, in which messages are held back."""

    begins: Clock
    ends: Clock
    critical_passes: bool = False

    def holds(self, now: datetime) -> bool:
        """Whether a moment, in the file's time zone, is in these hours."""
        at = now.time().replace(tzinfo=None)
        if self.begins <= self.ends:
            return self.begins <= at < self.ends
        return at >= self.begins or at < self.ends


class Rule(_Part):
    """What a rule looks at, and when that is worth a word; docs/alerts.md describes each."""

    kind: str
    name: str = ""
    severity: Severity = "warning"
    to: list[str] = []
    only: list[str] = []
    fires_at: float | None = Field(default=None, ge=0, allow_inf_nan=False)
    clears_at: float | None = Field(default=None, ge=0, allow_inf_nan=False)
    evaluations: int = Field(default=2, ge=1)
    minutes: float | None = Field(default=None, ge=0, allow_inf_nan=False)
    repeat_hours: float = Field(default=24, ge=0, allow_inf_nan=False)

    @field_validator("kind")
    @classmethod
    def _is_known(cls, kind: str) -> str:
        if kind not in KINDS:
            raise ValueError(f"is no kind of rule: take one of {', '.join(KINDS)}")
        return kind

    @property
    def title(self) -> str:
        """The rule's name: its kind where it has none of its own."""
        return self.name or self.kind

    @property
    def held_minutes(self) -> float:
        """For how long what is new has to hold."""
        return KINDS[self.kind].minutes if self.minutes is None else self.minutes

    @property
    def levels(self) -> tuple[float, float] | None:
        """From where on it fires, and below what it clears."""
        usual = KINDS[self.kind].levels
        if usual is None:
            return None
        fires_at = usual[0] if self.fires_at is None else self.fires_at
        clears_at = fires_at * usual[1] / usual[0] if self.clears_at is None else self.clears_at
        return fires_at, clears_at


class Daily(_Part):
    """A message once a day, from an hour of the file's time zone on."""

    at: Clock
    to: list[str] = Field(min_length=1)


class Rules(_Part):
    """The whole file."""

    channels: dict[str, Reference] = Field(min_length=1)
    rules: list[Rule] = []
    time_zone: str = "UTC"
    every_seconds: float = Field(default=15, ge=0.1, le=3600)
    quiet: Quiet | None = None
    acknowledge: str | None = None
    daily: Daily | None = None

    @field_validator("time_zone")
    @classmethod
    def _is_zone(cls, name: str) -> str:
        try:
            ZoneInfo(name)
        except (ZoneInfoNotFoundError, ValueError, OSError):
            raise ValueError('is no time zone: write one as "Europe/Berlin"') from None
        return name

    @field_validator("acknowledge")
    @classmethod
    def _is_address(cls, address: str | None) -> str | None:
        if address is not None and not re.fullmatch(r"https?://[^\s?#@]+", address):
            raise ValueError('is no address: write one as "https://marts.example.com"')
        return address and address.rstrip("/")

    def local(self, now: datetime) -> datetime:
        """A moment in the file's time zone."""
        return now.astimezone(ZoneInfo(self.time_zone))

    @property
    def stale_minutes(self) -> float:
        """From how many minutes on marts are stale."""
        rules = [*self.rules, Rule(kind="stale")]
        return next(rule.levels[0] for rule in rules if rule.kind == "stale" and rule.levels)

    def is_quiet(self, now: datetime, severity: str) -> bool:
        """Whether a message is held back now."""
        if self.quiet is None or (severity == "critical" and self.quiet.critical_passes):
            return False
        return self.quiet.holds(self.local(now))

    def urls(self, environment: Mapping[str, str] = os.environ) -> dict[str, str]:
        """The URL of each channel; raise UsageError naming the variables that are not set."""
        if missing := [name for name in self.channels.values() if not environment.get(name)]:
            raise UsageError(
                f"{NAME} names variables that are not set: {', '.join(missing)};"
                " each is the URL of a channel, as docs/alerts.md says"
            )
        return {channel: environment[name] for channel, name in self.channels.items()}


def read(path: Path | None = None) -> Rules | None:
    """Read the file, by default the setting's or the project's; None where there is none.

    Raises AlertsError with all faults.
    """
    found = yaml_files.read(path, load().alerts, NAME, "SIGNAL_MARTS_ALERTS", AlertsError)
    if found is None:
        return None
    parts = [*Rules.model_fields, *Rule.model_fields, *Quiet.model_fields, "at"]
    rules = found.validated(TypeAdapter(Rules), dict.fromkeys(parts))
    found.check(_faults(rules))
    return rules


def _faults(rules: Rules) -> Iterator[tuple[yaml_files.Place, str]]:
    """Faults of values beside each other."""
    counted = Counter(rule.title for rule in rules.rules)
    receivers: list[tuple[yaml_files.Place, list[str]]] = [
        *((("rules", str(n)), rule.to) for n, rule in enumerate(rules.rules)),
        (("daily",), rules.daily.to if rules.daily else []),
    ]
    for place, to in receivers:
        for unknown in sorted(set(to) - rules.channels.keys()):
            yield (*place, "to"), f"{unknown} is no channel: {', '.join(rules.channels)} are"
    for number, rule in enumerate(rules.rules):
        place = ("rules", str(number))
        if counted[rule.title] > 1:
            yield place, f"two rules are called {rule.title}: give each a name of its own"
        if rule.levels is None and (rule.fires_at, rule.clears_at) != (None, None):
            yield place, f"{rule.kind} tells of changes: leave out fires_at and clears_at"
        elif rule.levels is not None and rule.levels[1] > rule.levels[0]:
            yield (*place, "clears_at"), "is above fires_at: it would fire and clear for ever"
    if rules.quiet is not None and rules.quiet.begins == rules.quiet.ends:
        yield ("quiet", "ends"), "is when it begins: such hours would be none, or all"
