"""Links that acknowledge an alert: signed, for what was told then, and confirmed by a person.

A GET changes nothing, since scanners of mail follow links; the form that it shows does.
"""

from __future__ import annotations

import hashlib
import hmac
import html
import json
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import datetime
from threading import BoundedSemaphore
from typing import Any
from urllib.parse import parse_qs

import psycopg

from runner.alerts import books
from runner.alerts.states import FIRING
from runner.errors import SignalMartsError
from runner.servers.database import Database

PATH = "/acknowledge"
_LONGEST = 4096

_HEADERS = [
    ("Content-Type", "text/html; charset=utf-8"),
    ("Cache-Control", "no-store"),
    ("Referrer-Policy", "no-referrer"),
    ("X-Robots-Tag", "noindex"),
    ("X-Content-Type-Options", "nosniff"),
    (
        "Content-Security-Policy",
        "default-src 'none'; form-action 'self'; frame-ancestors 'none'; base-uri 'none'",
    ),
]
_PAGE = (
    '<!doctype html><html lang="en"><meta charset="utf-8"><title>Signal Marts</title>'
    '<meta name="viewport" content="width=device-width"><h1>{title}</h1>{content}</html>'
)
_FORM = (
    '<p>{text}</p><form method="post"><input type="hidden" name="alert" value="{token}">'
    "<button>Acknowledge: say it no more until it has cleared</button></form>"
)


def signed(key: bytes, rule: str, subject: str, told_at: datetime) -> str:
    """The token of what was told then."""
    content = json.dumps([rule, subject, told_at.isoformat()]).encode()
    return f"{_text(content)}.{_text(_mac(key, content))}"


def read(key: bytes, token: str) -> tuple[str, str, datetime] | None:
    """Rule, subject and moment of a token; None if we did not sign it."""
    try:
        content, mac = (urlsafe_b64decode(f"{part}==") for part in token.split("."))
    except ValueError:
        return None
    if not hmac.compare_digest(mac, _mac(key, content)):
        return None
    rule, subject, told_at = json.loads(content)
    return rule, subject, datetime.fromisoformat(told_at)


def _mac(key: bytes, content: bytes) -> bytes:
    return hmac.digest(key, b"acknowledge " + content, hashlib.sha256)


def _text(content: bytes) -> str:
    return urlsafe_b64encode(content).decode().rstrip("=")


@dataclass(frozen=True)
class Acknowledging:
    """The page, as WSGI asks for it."""

    replica: Database
    key: bytes
    # So many sessions of this page at most.
    _asking: BoundedSemaphore = field(default_factory=lambda: BoundedSemaphore(2), init=False)

    def __call__(
        self, request: dict[str, Any], start: Callable[[str, list[tuple[str, str]]], Any]
    ) -> Iterable[bytes]:
        status, title, content = self._answer(request)
        start(status, list(_HEADERS))  # the server adds to them
        return [_PAGE.format(title=html.escape(title), content=content).encode()]

    def _answer(self, request: dict[str, Any]) -> tuple[str, str, str]:
        """Status, title and content of the page."""
        is_post = request["REQUEST_METHOD"] == "POST"
        given = request.get("QUERY_STRING", "")
        if is_post:
            length = request.get("CONTENT_LENGTH") or "0"
            if not length.isdecimal() or len(length) > 4 or int(length) > _LONGEST:
                return "413 Content Too Large", "This is no form of ours", ""
            try:
                given = request["wsgi.input"].read(int(length)).decode("ascii", "replace")
            except OSError:
                return "408 Request Timeout", "The form did not arrive: try again", ""
        elif request["REQUEST_METHOD"] not in ("GET", "HEAD"):
            return "405 Method Not Allowed", "This page is read, or its form is sent", ""
        token = parse_qs(given).get("alert", [""])[0]
        # Before any question to the database, which only those who have a link may ask.
        alert = read(self.key, token)
        if alert is None:
            return "403 Forbidden", "This link was not made here, or was cut off", ""
        busy = "503 Service Unavailable", "The replica does not answer: try again", ""
        if not self._asking.acquire(blocking=False):
            return busy
        try:
            with books.opened(self.replica) as session:
                if is_post:
                    found = books.acknowledge(session, *alert)
                else:
                    found = books.states(session).get(alert[:2])
        except (SignalMartsError, psycopg.Error):
            return busy
        finally:
            self._asking.release()
        title = f"{alert[0]}: {alert[1]}"
        if found is None or (found.told, found.told_at) != (FIRING, alert[2]):
            return "410 Gone", title, "<p>It has cleared since: nothing is to be acknowledged.</p>"
        if found.acknowledged_at is not None:
            at = f"{found.acknowledged_at:%Y-%m-%d %H:%M} UTC"
            return "200 OK", title, f"<p>Acknowledged at {at}.</p>"
        text = html.escape(found.text)
        return "200 OK", title, _FORM.format(text=text, token=html.escape(token))
