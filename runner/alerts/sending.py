"""Evaluates the rules and sends what they say, beside a watch and in threads of its own.

What was told and what is to be sent is written before it is sent, and that it was sent is written
after: a process that is killed in between repeats that one message, and loses none.
"""

from __future__ import annotations

import os
import tempfile
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime
from fnmatch import fnmatchcase
from pathlib import Path
from queue import Empty, SimpleQueue

import psycopg

from runner.alerts import books, daily, links, observed
from runner.alerts.books import Key
from runner.alerts.channels import Channel
from runner.alerts.rules import Rule, Rules
from runner.alerts.states import (
    Event,
    Message,
    Seen,
    State,
    batch,
    is_given_up,
    step,
)
from runner.errors import SignalMartsError
from runner.progress import harmless
from runner.servers.contract import read_contract
from runner.servers.database import Connection, ConnectionFailedError, Database

_REPLICATION_SECONDS = 60
"""So often both sides are asked how replication is: it takes some queries on the primary."""

_ABANDONED_SECONDS = 600
"""A channel that takes longer to send is not waited for; the message is tried again."""

_LISTED = 30


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
        self._waiting: dict[object, Message] = {}
        self._dirty: tuple[set[Key], dict[object, Message]] = (set(), {})
        self._last_daily_on: date | None = None
        self._is_loaded = False
        self._session: Connection | None = None
        self._open = ExitStack()
        self._sending: dict[str, Sending] = {}
        self._results: SimpleQueue[tuple[str, Sending, str | None]] = SimpleQueue()
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
                waiting = {each.id: each for each in books.waiting(self._session)}
                self._waiting = waiting | self._waiting
                self._states = found | {key: self._states[key] for key in self._dirty[0]}
                self._is_loaded = True
            for key, state in found.items():
                mine = self._states.get(key)
                if mine is not None and mine.told_at == state.told_at:
                    self._states[key] = replace(mine, acknowledged_at=state.acknowledged_at)
        except (ConnectionFailedError, psycopg.OperationalError):
            self._close_books()

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
        except psycopg.OperationalError:
            self._close_books()
        else:
            self._dirty = (set(), {})

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
            for message in self._worded(rule, subject, before, state, event, now):
                self._put(message)

    def _worded(
        self,
        rule: Rule,
        subject: str,
        before: State | None,
        state: State,
        event: Event,
        now: datetime,
    ) -> Iterator[Message]:
        text = state.text
        severity = rule.severity
        if event == "cleared":
            severity, text = "info", before.text if before is not None else ""
            if before is not None and before.told_at is not None:
                text = f"It began at {before.told_at:%Y-%m-%d %H:%M} UTC: {text}"
        elif event == "changed":
            text = f"{before.told if before else ''} → {state.told}; {text}"
        elif event == "again":
            text = f"Still, since {state.told_at:%Y-%m-%d %H:%M} UTC: {text}"
        mark = "cleared" if event == "cleared" else severity
        fires = event in ("fired", "again")
        for channel in rule.to or self._channels:
            yield Message(
                channel,
                severity,
                harmless(f"[{mark}] {rule.title}: {subject}"),
                harmless(text),
                now,
                rule=rule.title if fires else None,
                subject=subject if fires else None,
                told_at=state.told_at if fires else None,
            )

    def _look(self) -> dict[str, observed.Found]:
        """What is known now, by kind of rule."""
        seen: dict[str, observed.Found] = {
            "stale": {"marts": Seen(self._stale_minutes(), self._staleness())}
        }
        try:
            found, unknown = observed.in_marts(self._replica, self._kinds)
            seen |= found
            for kind in self._kinds:
                self._tell(f"alerts of {kind}", unknown.get(kind, ""))
            self._tell("alerts of marts", "")
        except (SignalMartsError, psycopg.OperationalError) as error:
            self._tell("alerts of marts", str(error).strip().split("\n")[0])
            self._replication = None  # look at once
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
                    "\n".join(map(harmless, body.split("\n"))),
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
                del self._sending[name]
                self._tell(f"channel {name}", "it does not end to send; trying again")
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
        with tempfile.TemporaryDirectory(prefix="signal-marts-") as folder:
            messages = sending.messages
            title, body = messages[0].title, self._body(messages[0])
            file: Path | None = None
            if len(messages) > 1:
                title = f"Signal Marts: {len(messages)} messages"
                body = "\n\n".join(
                    f"{each.title}\n{self._body(each)}" for each in messages[:_LISTED]
                )
                if len(messages) > _LISTED:
                    body += f"\n\nand {len(messages) - _LISTED} more: signal-marts alerts"
            elif messages[0].daily_on is not None and messages[0].severity == "info":  # not stale
                file = Path(folder) / f"signal-marts-{messages[0].daily_on}.html"
                if why := daily.report(file, self._environment):
                    file, body = None, f"{body}\n\nNo report is attached: {why}"
            self._results.put((channel.name, sending, channel.send(title, body, file)))
        self._woken.set()

    def _body(self, message: Message) -> str:
        if self._key is None or message.alert is None or message.told_at is None:
            return message.body
        token = links.signed(self._key, *message.alert, message.told_at)
        return f"{message.body}\n{self.rules.acknowledge}{links.PATH}?alert={token}"

    def _note_results(self, now: datetime) -> None:
        for name, sending, failure in self._ended():
            if self._sending.get(name) is sending:
                del self._sending[name]
            elif failure is not None:
                continue  # it was given up, and tried again
            self._tell(f"channel {name}", failure or "")
            for each in sending.messages:
                if failure is None:
                    self._put(replace(each, sent_at=now))
                elif is_given_up(each, now):
                    self._report(f"channel {name}: given up: {each.title}")
                    self._put(replace(each, sent_at=now, failure=failure))
                else:
                    self._put(replace(each, failure=failure))

    def _ended(self) -> Iterable[tuple[str, Sending, str | None]]:
        with suppress(Empty):
            while True:
                yield self._results.get_nowait()
