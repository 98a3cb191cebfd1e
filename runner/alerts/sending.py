"""Evaluates the rules and sends what they say, beside a watch and in threads of its own.

What was told and what is to be sent is written before it is sent, and that it was sent is written
after: a process that is killed in between repeats that one message, and loses none.
"""

from __future__ import annotations

import os
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime
from fnmatch import fnmatchcase
from pathlib import Path
from queue import Empty, SimpleQueue
from uuid import UUID

import psycopg

from runner.alerts import books, daily, observed, wording
from runner.alerts.books import Key
from runner.alerts.channels import Channel, is_refused
from runner.alerts.rules import Rule, Rules
from runner.alerts.states import Message, Seen, State, batch, is_given_up, step
from runner.errors import SignalMartsError
from runner.servers.contract import read_contract
from runner.servers.database import Connection, ConnectionFailedError, Database
from runner.servers.deploy_lock import LockedError

_REPLICATION_SECONDS = 60
"""So often both sides are asked how replication is: it takes some queries on the primary."""

_ABANDONED_SECONDS = 600
"""A channel that takes longer to send is not waited for; the message is tried again."""

_HANGING = 2
"""So many sends of a channel may hang; the next one is waited for, however long it takes."""


@dataclass
class Sending:
    """What a channel is sending."""

    messages: list[Message]
    begun: float


class Alerts:
    """The alerts of a watch. ``report`` is told what could not be done, once while it goes on.

    ``key`` signs links; None: messages have none.
    """

    def __init__(
        self,
        primary: Database,
        replica: Database,
        way: str | None,
        rules: Rules,
        channels: dict[str, Channel],
        key: bytes | None,
        report: Callable[[str], None],
    ) -> None:
        self.rules = rules
        self._primary, self._replica, self._way = primary, replica, way
        self._channels = channels
        self._key = key
        self._report = report
        self._told: dict[str, str] = {}
        self._contract = read_contract()
        # As it is now: while dbt builds in this process, it has other variables.
        self._environment = dict(os.environ)
        self._kinds = {rule.kind for rule in rules.rules}
        self._fresh_at = time.monotonic()
        self._is_fresh_known = False
        # What was told and what waits; these are in the books as well, but for the dirty ones.
        self._states: dict[Key, State] = {}
        self._waiting: dict[UUID, Message] = {}
        self._dirty: tuple[set[Key], dict[UUID, Message]] = (set(), {})
        self._last_daily_on: date | None = None
        self._is_loaded = False
        self._session: Connection | None = None
        self._open = ExitStack()
        self._sending: dict[str, Sending] = {}
        self._hanging: Counter[str] = Counter()
        self._results: SimpleQueue[tuple[str, Sending, list[str | None]]] = SimpleQueue()
        self._woken = threading.Event()
        self._evaluated = self._asked = -float("inf")
        self._replication: observed.Found | None = None

    # --- beside a watch ---------------------------------------------------------------------------

    def note_fresh(self, marts: str, seconds: float) -> None:
        """Note that marts (``live``, ``all``) hold all rows committed up to so many seconds ago."""
        if marts == "all":
            self._fresh_at, self._is_fresh_known = time.monotonic() - seconds, True

    @contextmanager
    def beside(self) -> Iterator[None]:
        """Evaluate and send, in a thread, until the block ends. Whatever fails, it goes on."""
        is_over = threading.Event()

        def run() -> None:
            while not is_over.is_set():
                with self._reporting("alerts"):
                    self.tick(datetime.now(UTC))
                self._woken.wait(min(self.rules.every_seconds, 5))
                self._woken.clear()

        threading.Thread(target=run, name="alerts", daemon=True).start()
        try:
            yield
        finally:
            is_over.set()

    @contextmanager
    def _reporting(self, what: str) -> Iterator[None]:
        try:
            yield
        except Exception as error:
            self._tell(what, (str(error).strip().splitlines() or [type(error).__name__])[0])
        else:
            self._tell(what, "")

    def _tell(self, what: str, text: str) -> None:
        if text and text != self._told.get(what):
            self._report(f"{what}: {text}")
        self._told[what] = text

    # --- a moment ---------------------------------------------------------------------------------

    def tick(self, now: datetime) -> None:
        """Note what was sent, evaluate where that is due, and send what can be sent."""
        self._note_results(now)
        self._keep_books()
        if time.monotonic() - self._evaluated >= self.rules.every_seconds:
            self._evaluated = time.monotonic()
            with self._reporting("rules of alerts"):
                self._evaluate(now)
            with self._reporting("message of the day"):
                self._add_daily(now)
        self._save()
        self._send(now)

    def _keep_books(self) -> None:
        """Reach the books, and read what is new in them; without the replica, memory goes on."""
        try:
            if self._session is None:
                self._session = self._open.enter_context(books.kept(self._replica))
                names = [rule.title for rule in self.rules.rules]
                books.forget(self._session, names, self._channels)
                days = (self._last_daily_on, books.last_daily(self._session))
                self._last_daily_on = max(filter(None, days), default=None)
            found = books.states(self._session)
            if not self._is_loaded:
                # Another watch may have sent the others meanwhile.
                stored = {each.id: each for each in books.waiting(self._session)}
                waiting = {**stored, **self._dirty[1]}
                self._waiting = {key: m for key, m in waiting.items() if m.sent_at is None}
                self._states = found | {key: self._states[key] for key in self._dirty[0]}
                self._is_loaded = True
            for key, state in found.items():
                mine = self._states.get(key)
                if mine is not None and mine.told_at == state.told_at:
                    self._states[key] = replace(mine, acknowledged_at=state.acknowledged_at)
        except LockedError:
            self._is_loaded = False
            raise
        except (ConnectionFailedError, psycopg.Error) as error:
            self._lose_books(error)

    def _lose_books(self, error: Exception) -> None:
        self._close_books()
        # That the replica is away is an alert of its own.
        if not isinstance(error, ConnectionFailedError | psycopg.OperationalError):
            self._tell("books of alerts", str(error).strip().split("\n")[0])

    def _close_books(self) -> None:
        self._session = None
        with suppress(psycopg.Error):
            self._open.close()

    def _save(self) -> None:
        keys, messages = self._dirty
        if self._session is None or not (keys or messages):
            return
        try:
            books.save(self._session, {key: self._states[key] for key in keys}, messages.values())
        except psycopg.Error as error:
            self._lose_books(error)
        else:
            self._dirty = (set(), {})
            self._tell("books of alerts", "")

    def _put(self, message: Message) -> None:
        """Remember a message, and that it is not in the books like this."""
        self._dirty[1][message.id] = message
        if message.sent_at is None:
            self._waiting[message.id] = message
        else:
            self._waiting.pop(message.id, None)

    # --- what is there to say ---------------------------------------------------------------------

    def _evaluate(self, now: datetime) -> None:
        seen = self._look()
        for rule in self.rules.rules:
            found = seen.get(rule.kind)
            if found is None:
                continue  # not known now
            meant = {
                subject: each
                for subject, each in found.items()
                if not rule.only or any(fnmatchcase(subject, one) for one in rule.only)
            }
            told = {subject for name, subject in self._states if name == rule.title}
            gone = {} if rule.levels is None else dict.fromkeys(told - meant.keys(), Seen(0, ""))
            for subject, each in {**gone, **meant}.items():
                with self._reporting(f"rule {rule.title}, {subject}"):
                    self._step(rule, subject, each, now)

    def _step(self, rule: Rule, subject: str, seen: Seen, now: datetime) -> None:
        key = (rule.title, subject)
        before = self._states.get(key)
        state, event = step(rule, before, seen, now)
        if event == "again" and any(each.alert == key for each in self._waiting.values()):
            return  # the last word of it is not out yet
        self._states[key] = state
        if state.told_at is not None and state != before:
            self._dirty[0].add(key)
        if event is not None:
            for message in wording.messages(
                rule, self._channels, subject, before, state, event, now
            ):
                self._put(message)

    def _look(self) -> dict[str, observed.Found]:
        """What is known now, by kind of rule."""
        seen: dict[str, observed.Found] = {}
        is_first_build = False
        try:
            found, unknown = observed.in_marts(self._replica, self._kinds | {"build"})
            seen |= found
            is_first_build = "build" not in found.keys() | unknown.keys()
            for kind in self._kinds:
                self._tell(f"alerts of {kind}", unknown.get(kind, ""))
            self._tell("alerts of marts", "")
        except (SignalMartsError, psycopg.OperationalError) as error:
            self._tell("alerts of marts", str(error).strip().split("\n")[0])
            self._replication = None  # look at once
        if self._is_fresh_known or not is_first_build:
            seen["stale"] = {"marts": Seen(self._stale_minutes(), self._staleness())}
        if "replication" in self._kinds:
            is_due = time.monotonic() - self._asked >= _REPLICATION_SECONDS
            if self._replication is None or is_due:
                self._asked = time.monotonic()
                with self._reporting("alerts of replication"):
                    self._replication = observed.in_replication(
                        self._primary, self._replica, self._way, self._contract
                    )
            if self._replication is not None:
                seen["replication"] = self._replication
        return seen

    def _stale_minutes(self) -> float:
        return (time.monotonic() - self._fresh_at) / 60

    def _staleness(self) -> str:
        minutes = f"{self._stale_minutes():.0f} min ago"
        if self._is_fresh_known:
            return f"the marts hold what the primary had {minutes}"
        return f"no round went well since watch began, {minutes}"

    # --- once a day -------------------------------------------------------------------------------

    def _add_daily(self, now: datetime) -> None:
        day = self.rules.daily
        local = self.rules.local(now)
        if day is None or self._session is None or local.time() < day.at:
            return
        if self._last_daily_on is not None and self._last_daily_on >= local.date():
            return
        is_stale = self._stale_minutes() >= self.rules.stale_minutes
        if not (is_stale or self._is_fresh_known):
            return  # the first round after a start tells
        body = (
            daily.stale(self._staleness(), self._states)
            if is_stale
            else daily.text(self._replica, self._states)
        )
        for channel in day.to:
            self._put(
                Message(
                    channel,
                    "warning" if is_stale else "info",
                    f"Signal Marts, {local:%Y-%m-%d}",
                    wording.cut("\n".join(map(wording.plain, body.split("\n")))),
                    now,
                    daily_on=local.date(),
                )
            )
        self._last_daily_on = local.date()

    # --- on its way -------------------------------------------------------------------------------

    def _send(self, now: datetime) -> None:
        for name, channel in self._channels.items():
            if name in self._sending:
                if time.monotonic() - self._sending[name].begun < _ABANDONED_SECONDS:
                    continue
                hangs = "it does not end to send; trying again"
                self._tell(f"channel {name}", hangs)
                for each in [m for m in self._waiting.values() if m.channel == name]:
                    if is_given_up(each, now):
                        self._fail(each, hangs, now)
                if self._hanging[name] >= _HANGING:
                    continue
                del self._sending[name]
                self._hanging[name] += 1
            waiting = [each for each in self._waiting.values() if each.channel == name]
            going = batch(self.rules, sorted(waiting, key=lambda each: each.created_at), now)
            if not going:
                continue
            going = [each.tried(now) for each in going]
            for each in going:
                self._put(each)
            self._save()
            self._sending[name] = sending = Sending(going, time.monotonic())
            threading.Thread(
                target=self._run, args=(channel, sending), name=f"alerts to {name}", daemon=True
            ).start()

    def _run(self, channel: Channel, sending: Sending) -> None:
        """Send to a channel, in a thread of its own."""
        messages, address = sending.messages, self.rules.acknowledge
        title, body = wording.composed(messages, self._key, address)
        with tempfile.TemporaryDirectory(prefix="signal-marts-") as folder:
            file: Path | None = None
            if messages[0].daily_on is not None and messages[0].severity == "info":  # not stale
                file = Path(folder) / f"signal-marts-{messages[0].daily_on}.html"
                if why := daily.report(file, self._environment):
                    file, body = None, f"{body}\n\nNo report is attached: {why}"
            failure = channel.send(title, body, file)
            if file is not None and is_refused(failure):  # as too large, perhaps
                body += "\n\nNo report is attached: the service refused it"
                failure = channel.send(title, body)
        failures = [failure] * len(messages)
        if len(messages) > 1 and is_refused(failure):
            alone = [wording.composed([each], self._key, address) for each in messages]
            failures = [channel.send(*each) for each in alone]
        self._results.put((channel.name, sending, failures))
        self._woken.set()

    def _note_results(self, now: datetime) -> None:
        for name, sending, failures in self._ended():
            is_awaited = self._sending.get(name) is sending
            if is_awaited:
                del self._sending[name]
                self._tell(f"channel {name}", next(filter(None, failures), ""))
            else:
                self._hanging[name] -= 1
            for each, failure in zip(sending.messages, failures, strict=True):
                if each.id not in self._waiting:
                    continue  # another try of it was sent, or it was given up
                if failure is None:
                    self._put(replace(each, sent_at=now))
                elif is_awaited:
                    self._fail(each, failure, now)

    def _fail(self, message: Message, failure: str, now: datetime) -> None:
        """Note that a message could not be sent; after too long, it is no longer tried."""
        is_over = is_given_up(message, now)
        if is_over:
            self._report(f"channel {message.channel}: given up: {message.title}")
        self._put(replace(message, failure=failure, sent_at=now if is_over else None))

    def _ended(self) -> Iterable[tuple[str, Sending, list[str | None]]]:
        with suppress(Empty):
            while True:
                yield self._results.get_nowait()
