"""Links that acknowledge: what is signed, and what the page answers without a database."""

from __future__ import annotations

import io
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runner.alerts import links
from runner.servers.database import Database

KEY = b"0123456789abcdef0123456789abcdef"
AT = datetime(2026, 1, 1, 12, 0, 0, 123456, tzinfo=UTC)


def ask(method: str, query: str = "", form: bytes = b"") -> tuple[str, dict[str, str], str]:
    """The answer of a page whose replica nobody can reach."""
    answered: list[Any] = []
    request = {
        "REQUEST_METHOD": method,
        "QUERY_STRING": query,
        "CONTENT_LENGTH": str(len(form)),
        "wsgi.input": io.BytesIO(form),
    }
    page = links.Acknowledging(Database("replica", "postgresql://nobody@127.0.0.1:1/none"), KEY)
    body = page(request, lambda status, headers: answered.extend((status, dict(headers))))
    return answered[0], answered[1], b"".join(body).decode()


# Up to the year 2106, by microseconds.
moments = st.integers(0, 80 * 365 * 86400 * 10**6).map(lambda n: AT + timedelta(microseconds=n))


@given(st.text(), st.text(), moments, st.binary(min_size=1))
def test_a_token_says_what_was_signed(
    rule: str, subject: str, told_at: datetime, key: bytes
) -> None:
    token = links.signed(key, rule, subject, told_at)
    assert links.read(key, token) == (rule, subject, told_at)
    assert links.read(key + b"x", token) is None


@given(st.integers(0, 200), st.integers(1, 255))
def test_a_token_that_was_changed_says_nothing_else(place: int, change: int) -> None:
    token = links.signed(KEY, "drawdown", "ai all", AT).encode()
    at = place % len(token)
    edited = bytes([*token[:at], (token[at] ^ change) % 128, *token[at + 1 :]]).decode()
    # Some characters have bits that mean nothing: then it says what it did.
    assert links.read(KEY, edited) in (None, ("drawdown", "ai all", AT))


@pytest.mark.parametrize("token", ["", ".", "a", "a.b.c", "é.é", "=.=", "a" * 5000])
def test_what_is_no_token_is_refused_without_asking_the_replica(token: str) -> None:
    assert links.read(KEY, token) is None
    status, headers, body = ask("GET", f"alert={token}")
    assert (status, "form" in body) == ("403 Forbidden", False)
    assert headers["Referrer-Policy"] == "no-referrer"
    assert "frame-ancestors 'none'" in headers["Content-Security-Policy"]


def test_what_is_no_form_of_ours_is_refused() -> None:
    assert ask("POST", form=b"alert=x")[0] == "403 Forbidden"
    assert ask("POST", form=b"x" * 5000)[0] == "413 Content Too Large"
    assert ask("PUT")[0] == "405 Method Not Allowed"


def test_a_form_that_does_not_end_and_a_crowd_are_sent_away() -> None:
    class Slow(io.BytesIO):
        def read(self, size: int | None = -1) -> bytes:
            raise TimeoutError

    answered: list[str] = []
    page = links.Acknowledging(Database("replica", "postgresql://nobody@127.0.0.1:1/none"), KEY)
    request = {"REQUEST_METHOD": "POST", "wsgi.input": Slow()}
    for length in ("9", "9" * 5000, "-1", "²"):
        page(request | {"CONTENT_LENGTH": length}, lambda status, _: answered.append(status))
    assert [each[:3] for each in answered] == ["408", "413", "413", "413"]
    token = links.signed(KEY, "stale", "marts", AT)
    request = {"REQUEST_METHOD": "GET", "QUERY_STRING": f"alert={token}"}
    with page._asking, page._asking, pytest.MonkeyPatch.context() as patch:
        patch.setattr("runner.alerts.books.opened", None)  # it is not asked
        page(request, lambda status, _: answered.append(status))
    assert answered[-1] == "503 Service Unavailable"


def test_a_replica_that_does_not_answer_is_told_without_its_address() -> None:
    status, _, body = ask("GET", f"alert={links.signed(KEY, 'stale', 'marts', AT)}")
    assert status == "503 Service Unavailable"
    assert "127.0.0.1" not in body
