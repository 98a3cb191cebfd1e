"""The days that a page or a report is asked for."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from runner.views.asked import WINDOWS, Asked, Choices, Period

days = st.dates(date(1970, 1, 2), date(2199, 12, 30))
periods = st.builds(
    lambda first, number: Period(first, first + timedelta(days=number)), days, st.integers(0, 900)
)
askings = st.builds(
    Asked,
    choices=periods.map(lambda has: Choices(days=has)),
    window=st.sampled_from(list(WINDOWS)),
    days=st.none() | periods,
)


@given(askings)
def test_a_period_is_of_the_closed_days_that_were_asked_for(asked: Asked) -> None:
    has, period = asked.choices.days, asked.period
    assert has is not None
    if period is None:
        assert asked.days is not None
        assert asked.days.last < has.first or asked.days.first > has.last
        return
    assert has.first <= period.first <= period.last <= has.last
    if asked.days is None:
        assert period.last == has.last
        if asked.window != "All":
            length = (period.last - period.first).days + 1
            assert length == min(int(WINDOWS[asked.window][:-1]), (has.last - has.first).days + 1)


@given(askings, st.datetimes(datetime(1970, 1, 1), datetime(2200, 1, 1)))
def test_a_moment_is_of_the_period_if_its_utc_day_is(asked: Asked, naive: datetime) -> None:
    given, period = asked.parameters(), asked.period
    if period is None:
        return
    moment = naive.replace(tzinfo=UTC)
    is_in = (given["first_at"] or moment) <= moment < given["end_at"]
    first = period.first if given["first"] else moment.date()
    assert is_in == (first <= moment.date() <= period.last)
