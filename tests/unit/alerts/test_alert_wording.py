"""What messages say: nothing that a service acts on, and not more than it takes."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

from hypothesis import given
from hypothesis import strategies as st

from runner.alerts import wording
from runner.alerts.rules import Rule
from runner.alerts.states import Message, State

NOW = datetime(2026, 1, 1, 12, tzinfo=UTC)
KEY, ADDRESS = b"k" * 32, "https://marts.example.com"


@given(st.text(st.sampled_from("a:/<!@ \n\x1b")))
def test_names_of_anybodys_choice_are_no_links_and_call_nobody(name: str) -> None:
    for text in (name, f"<!channel> @everyone https://{name}"):
        said = wording.plain(text)
        assert not any(each in said for each in ("://", "<!", "\n", "\x1b"))
        assert "@" not in said.replace("@ ", "")


def test_a_long_text_is_cut_before_its_link() -> None:
    state = State("firing", NOW, NOW, "x" * 5000)
    rule = Rule(kind="drawdown")
    (one,) = wording.messages(rule, ["phone"], "@bot", None, state, "fired", NOW)
    assert (one.title, len(one.body)) == ("[warning] drawdown: @ bot", 1001)
    title, body = wording.composed([one], KEY, ADDRESS)
    assert title == one.title
    assert body.splitlines()[1].startswith(f"{ADDRESS}/acknowledge?alert=")


def test_a_digest_lists_what_fits_and_counts_the_rest() -> None:
    one = Message("phone", "info", "title", "x" * 1000, NOW)
    title, body = wording.composed([replace(one) for _ in range(20)], KEY, ADDRESS)
    assert title == "Signal Marts: 20 messages"
    assert body.endswith("\n\nand 13 more: signal-marts alerts")
    assert len(body) < 8100
