"""When a rule says something: hysteresis, repetition, acknowledgement, and what goes together."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from runner.alerts.rules import Rule, Rules
from runner.alerts.states import (
    FIRING,
    GIVEN_UP,
    Event,
    Message,
    Seen,
    State,
    batch,
    is_given_up,
    step,
)

START = datetime(2026, 1, 1, 12, tzinfo=UTC)
MINUTE = timedelta(minutes=1)


def told(rule: Rule, levels: list[float | str], state: State | None = None) -> list[Event | None]:
    """What is said of a level a minute."""
    events: list[Event | None] = []
    for number, level in enumerate(levels):
        state, event = step(rule, state, Seen(level, f"at {level}"), START + number * MINUTE)
        events.append(event)
    return events


def test_it_fires_after_some_evaluations_and_clears_below_another_level() -> None:
    rule = Rule(kind="drawdown", fires_at=10, clears_at=8, evaluations=2)
    up, down = "fired", "cleared"
    assert told(rule, [11, 9, 11, 11, 9, 9, 7, 9, 7, 7, 11]) == [
        *(None, None, None, up, None, None),
        *(None, None, None, down, None),
    ]
    assert told(rule, [10, 10, 8, 8, 8, 7.9, 7.9]) == [None, up, None, None, None, None, down]


def test_it_fires_after_some_time() -> None:
    rule = Rule(kind="build", evaluations=1, minutes=3)
    assert told(rule, [1, 1, 1, 1, 0, 0, 0, 0]) == [*[None] * 3, "fired", *[None] * 3, "cleared"]
    assert told(Rule(kind="build", evaluations=1), [1, 0]) == ["fired", "cleared"]


def test_a_decision_is_told_when_it_changed_and_not_when_it_is_first_seen() -> None:
    rule = Rule(kind="decision", evaluations=2)
    words: list[float | str] = ["BUY", "BUY", "SELL", "BUY", "SELL", "HOLD", "HOLD", "HOLD"]
    assert told(rule, words) == [*[None] * 6, "changed", None]


@given(
    st.lists(st.floats(0, 1), max_size=60),
    st.floats(0.01, 1),
    st.floats(0, 1),
    st.integers(1, 5),
    st.integers(0, 5),
)
def test_said_once_a_change_for_any_levels(
    levels: list[float], fires_at: float, share: float, evaluations: int, minutes: int
) -> None:
    rule = Rule(
        kind="drawdown",
        fires_at=fires_at,
        clears_at=fires_at * share,
        evaluations=evaluations,
        minutes=minutes,
        repeat_hours=0,
    )
    events = told(rule, list(levels))
    said = [event for event in events if event]
    assert said == ["fired", "cleared"] * (len(said) // 2) + ["fired"] * (len(said) % 2)
    needed = max(evaluations, minutes + 1)
    for number, event in enumerate(events):
        last = levels[max(0, number - needed + 1) : number + 1]
        if event == "fired":
            assert len(last) == needed
            assert min(last) >= fires_at
        if event == "cleared":
            assert max(last) < fires_at * share
    # What went on for long enough was said: the last stretch on one side decides.
    if len(levels) >= needed and min(levels[-needed:]) >= fires_at:
        assert said[-1] == "fired"
    assert len(said) <= len(levels) / needed


def test_it_is_said_again_until_somebody_acknowledges_it() -> None:
    rule = Rule(kind="stale", evaluations=1, repeat_hours=1)
    state, event = step(rule, None, Seen(20, "old"), START)
    assert event == "fired"
    events = []
    for minute in range(1, 181):
        state, event = step(rule, state, Seen(20, "old"), START + minute * MINUTE)
        if event:
            events.append((minute, event, state.told_at))
    assert events == [(n, "again", START) for n in (60, 120, 180)]
    state = replace(state, acknowledged_at=START)
    later = START + timedelta(days=30)
    assert step(rule, state, Seen(20, "old"), later) == (state, None)
    # Once it has cleared, it is a new one.
    state, event = step(rule, state, Seen(0, ""), later)
    assert (event, state.acknowledged_at) == ("cleared", None)
    assert step(rule, state, Seen(20, "old"), later)[1] == "fired"
    silent = Rule(kind="stale", repeat_hours=0)
    firing = State(FIRING, START, START, "old")
    assert step(silent, firing, Seen(20, "old"), later)[1] is None


RULES = Rules.model_validate(
    {
        "channels": {"a": "${A}"},
        "quiet": {"begins": "22:00", "ends": "07:00", "critical_passes": True},
    }
)
NIGHT = datetime(2026, 1, 1, 23, tzinfo=UTC)


def message(severity: str = "warning", at: datetime = NIGHT) -> Message:
    return Message("a", severity, severity, "text", at)


def test_what_comes_up_in_quiet_hours_goes_together_afterwards() -> None:
    held = [message("warning"), message("info"), message("warning", NIGHT + MINUTE)]
    critical = message("critical", NIGHT + 2 * MINUTE)
    for hours in range(8):
        assert batch(RULES, [*held, critical], NIGHT + timedelta(hours=hours)) == [critical]
        assert batch(RULES, held, NIGHT + timedelta(hours=hours)) == []
    assert batch(RULES, held, NIGHT + timedelta(hours=8)) == held


def test_the_message_of_the_day_goes_alone_and_at_its_hour() -> None:
    day = replace(message("info"), daily_on=NIGHT.date())
    assert batch(RULES, [message("critical"), day], NIGHT) == [day]


def test_a_message_that_fails_is_tried_again_later_and_later() -> None:
    now, pauses, failing = NIGHT, [], message("critical")
    while not is_given_up(failing, now):
        assert batch(RULES, [failing], now) == [failing]
        failing = failing.tried(now)
        assert failing.next_try_at is not None
        assert batch(RULES, [failing], failing.next_try_at - MINUTE / 60) == []
        pauses.append((failing.next_try_at - now).total_seconds())
        now = failing.next_try_at
    assert pauses[:8] == [30, 60, 120, 240, 480, 960, 1920, 3600]
    assert set(pauses[8:]) == {3600}
    assert timedelta(0) <= now - NIGHT - GIVEN_UP < timedelta(hours=1)
    # One that was never tried, since a night or the process was in between, is not given up.
    assert not is_given_up(message(), NIGHT + 2 * GIVEN_UP)
