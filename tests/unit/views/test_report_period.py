"""The report's period, and shares of nothing."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from runner.views.report.draft import Period, add_rate

days = st.dates(date(1970, 1, 2), date(2199, 12, 30))


@given(days, st.integers(0, 400), st.datetimes(datetime(1970, 1, 1), datetime(2200, 1, 1)))
def test_a_moment_is_of_the_period_if_its_utc_day_is(
    first: date, number: int, naive: datetime
) -> None:
    period = Period(first, min(first + timedelta(days=number), date(2199, 12, 30)))
    moment = naive.replace(tzinfo=UTC)
    times = period.times()
    assert (times["first"] <= moment < times["last"]) == (
        period.first <= moment.date() <= period.last
    )
    assert times["last"] - times["first"] == period.last - period.first + timedelta(days=1)


@given(st.integers(0, 10**6), st.integers(0, 10**6))
def test_a_rate_is_a_share_or_undefined(wins: int, losses: int) -> None:
    row: dict[str, Any] = {}
    add_rate(row, "rate", wins, wins + losses)
    rate = row["rate"]
    if wins + losses == 0:
        assert rate is None
    else:
        assert rate is not None
        assert 0 <= rate <= 1
        assert round(rate * (wins + losses)) == wins
