"""What messages say, without what a terminal or a service would act on."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Sequence
from datetime import datetime
from itertools import accumulate

from runner.alerts import links
from runner.alerts.rules import Rule
from runner.alerts.states import Event, Message, State
from runner.progress import harmless

_LONGEST, _LONGEST_TOGETHER = 1000, 8000
"""Characters of one alert's text, and of a message: services take a few thousand at a time."""

# Links, and words to all members of a group or to one.
_ACTIVE = re.compile("://|<!|@")


def plain(text: str) -> str:
    """A text of anybody's choice, such as a model's name, on one line."""
    return _ACTIVE.sub(lambda found: f"{found[0][0]} {found[0][1:]}", harmless(text))


def cut(text: str, longest: int = _LONGEST_TOGETHER) -> str:
    """A text, or its beginning if it is too long."""
    return text if len(text) <= longest else f"{text[:longest]}…"


def messages(
    rule: Rule,
    channels: Collection[str],
    subject: str,
    before: State | None,
    state: State,
    event: Event,
    now: datetime,
) -> Iterator[Message]:
    """What an event of a subject has each channel say."""
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
    for channel in rule.to or channels:
        yield Message(
            channel,
            severity,
            plain(f"[{mark}] {rule.title}: {subject}"),
            plain(cut(text, _LONGEST)),
            now,
            rule=rule.title if fires else None,
            subject=subject if fires else None,
            told_at=state.told_at if fires else None,
        )


def composed(sent: Sequence[Message], key: bytes | None, address: str | None) -> tuple[str, str]:
    """Title and body of messages that go as one; ``key`` signs the links to the address."""
    if len(sent) == 1:
        return sent[0].title, _body(sent[0], key, address)
    parts = [f"{each.title}\n{_body(each, key, address)}" for each in sent]
    shown = [
        part
        for part, length in zip(parts, accumulate(map(len, parts)), strict=True)
        if length <= _LONGEST_TOGETHER
    ]
    if left := len(parts) - len(shown):
        shown.append(f"and {left} more: signal-marts alerts")
    return f"Signal Marts: {len(sent)} messages", "\n\n".join(shown)


def _body(message: Message, key: bytes | None, address: str | None) -> str:
    if key is None or message.alert is None or message.told_at is None:
        return message.body
    token = links.signed(key, *message.alert, message.told_at)
    return f"{message.body}\n{address}{links.PATH}?alert={token}"
