"""What a rule has said of a subject, and when it says the next: no database, and no clock."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import date, datetime, timedelta
from typing import Literal
from uuid import UUID, uuid4

from runner.alerts.rules import Rule, Rules

FIRING = "firing"
"""What is said of a level; nothing, where all is well. Of a decision, it is the decision."""

_RETRY_SECONDS, _LONGEST_RETRY_SECONDS = 30, 3600
GIVEN_UP = timedelta(hours=48)
"""A message that could not be sent for so long, quiet hours included, is given up."""

Event = Literal["fired", "cleared", "changed", "again"]


@dataclass(frozen=True)
class Seen:
    """What an evaluation sees of a subject: a level, or a word such as a decision."""

    level: float | str
    text: str


@dataclass(frozen=True)
class State:
    """What was told of a subject, and since when; ``seen`` is what now speaks against it.

    ``said_at`` is when it was last said: a word that is repeated is told once, and said again.
    """

    told: str = ""
    told_at: datetime | None = None
    said_at: datetime | None = None
    text: str = ""
    acknowledged_at: datetime | None = None
    seen: str = field(default="", compare=False)
    count: int = field(default=0, compare=False)
    since: datetime | None = field(default=None, compare=False)


def step(rule: Rule, state: State | None, seen: Seen, now: datetime) -> tuple[State, Event | None]:
    """The state after an evaluation, and what is to be said, if anything."""
    if state is None:
        # The first decision that is ever seen is no change.
        state = State() if rule.levels else State(str(seen.level), now, now, seen.text)
    word = str(seen.level)
    if rule.levels is not None:
        fires_at, clears_at = rule.levels
        level = float(seen.level)
        word = FIRING if level >= fires_at else "" if level < clears_at else state.told
    if word == state.told:
        state = replace(state, seen=word, count=0, since=None)
        is_due = (
            word == FIRING
            and rule.repeat_hours > 0
            and state.acknowledged_at is None
            and state.said_at is not None
            and now - state.said_at >= timedelta(hours=rule.repeat_hours)
        )
        return (replace(state, said_at=now, text=seen.text), "again") if is_due else (state, None)
    goes_on = word == state.seen and state.since is not None
    since, count = (state.since or now, state.count + 1) if goes_on else (now, 1)
    if count < rule.evaluations or now - since < timedelta(minutes=rule.held_minutes):
        return replace(state, seen=word, count=count, since=since), None
    event: Event = "changed" if rule.levels is None else "fired" if word == FIRING else "cleared"
    return State(word, now, now, seen.text), event


@dataclass(frozen=True)
class Message:
    """A message to a channel; one of an alert that fires has its rule, subject and moment."""

    channel: str
    severity: str
    title: str
    body: str
    created_at: datetime
    rule: str | None = None
    subject: str | None = None
    told_at: datetime | None = None
    daily_on: date | None = None
    id: UUID = field(default_factory=uuid4)
    tries: int = 0
    next_try_at: datetime | None = None
    sent_at: datetime | None = None
    failure: str | None = None

    @property
    def alert(self) -> tuple[str, str] | None:
        """Rule and subject of an alert that fires."""
        return None if self.rule is None or self.subject is None else (self.rule, self.subject)

    def tried(self, now: datetime) -> Message:
        """The same, at a try: the next one comes later each time."""
        pause = min(_RETRY_SECONDS * 2**self.tries, _LONGEST_RETRY_SECONDS)
        return replace(
            self, tries=self.tries + 1, next_try_at=now + timedelta(seconds=pause), failure=None
        )


def batch(rules: Rules, waiting: list[Message], now: datetime) -> list[Message]:
    """Which of a channel's messages go now, as one: what came up in quiet hours is a digest.

    The message of the day goes alone, at the hour that was asked for.
    """
    due = [each for each in waiting if each.next_try_at is None or each.next_try_at <= now]
    for each in due:
        if each.daily_on is not None:
            return [each]
    return [each for each in due if not rules.is_quiet(now, each.severity)]


def is_given_up(message: Message, now: datetime) -> bool:
    """Whether a message was tried, and could not be sent for too long."""
    return message.tries > 0 and now - message.created_at >= GIVEN_UP
