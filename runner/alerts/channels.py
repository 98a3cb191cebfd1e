"""Channels: where messages go, by apprise. Its own words are never shown: they may hold a URL."""

from __future__ import annotations

import logging
import re
import warnings
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from runner.alerts.rules import NAME, Rules
from runner.errors import UsageError
from runner.extras import need


@dataclass(frozen=True)
class Channel:
    """A channel; ``variable`` is where its URL is set."""

    name: str
    variable: str
    service: Any = field(repr=False)

    def send(self, title: str, body: str, file: Path | None = None) -> str | None:
        """Send a message; say why it could not be sent, or None if it was."""
        try:
            sent = self.service.notify(
                body=body, title=title, body_format="text", attach=file and str(file)
            )
        except Exception as error:
            return f"{type(error).__name__}; look at what {self.variable} says"
        if sent:
            return None
        codes = [re.search(r"error=(\d{3})\b", each.message) for each in sent.logs()]
        if code := next((found[1] for found in codes if found), None):
            return f"the service answered {code}; look at what {self.variable} says"
        return f"the service cannot be reached, or refuses; look at what {self.variable} says"


def is_refused(why: str | None) -> bool:
    """Whether a service refused what was sent, as too long or badly formed, and not us."""
    return bool(re.match(r"the service answered (400|413|422);", why or ""))


def channels(rules: Rules) -> dict[str, Channel]:
    """The channels by name; raise UsageError naming the variables that no service understands."""
    need("alerts")
    # Else their warnings, and the URLs in them, would be printed.
    for library in ("apprise", "urllib3"):
        logger = logging.getLogger(library)
        logger.propagate = False
        logger.addHandler(logging.NullHandler())
    made, wrong, many = {}, [], []
    # It imports all services at the first URL, and of theirs what Python will drop one day.
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        import apprise

        for name, url in rules.urls().items():
            # With a time limit, it would hand the work to threads that Python joins at its end.
            asset = apprise.AppriseAsset(service_timeout=0, async_mode=False)
            service = apprise.Apprise(asset=asset)
            if not service.add(url):
                wrong.append(rules.channels[name])
            elif len(service) > 1:
                many.append(rules.channels[name])
            for each in service:
                each.overflow_mode = apprise.OverflowMode.SPLIT
            made[name] = Channel(name, rules.channels[name], service)
    if wrong:
        raise UsageError(
            f"{NAME} names variables that hold no URL of a service: {', '.join(wrong)};"
            " https://appriseit.com lists how each is written"
        )
    if many:
        raise UsageError(
            f"{NAME} names variables that hold several URLs: {', '.join(many)}; write a channel and"
            " a variable for each, so that one that fails repeats no message of the others"
        )
    return made
