"""Numbers as people read them, and the intervals that no mart has."""

from __future__ import annotations

from datetime import timedelta

import pytest
from statsmodels.stats.proportion import proportion_confint

from runner.dashboard import wording


def test_what_is_not_defined_is_a_dash() -> None:
    forms = (wording.money, wording.price, wording.share, wording.number, wording.count)
    assert {form(None) for form in forms} == {"–"}
    assert wording.moment(None) == wording.day(None) == wording.duration(None) == "–"
    assert wording.interval(None) == "–"


@pytest.mark.parametrize(
    ("value", "said"), [(93916.42, "93,916.42"), (2.1652, "2.1652"), (0.0000123456, "1.2346e-05")]
)
def test_prices_keep_the_digits_that_count(value: float, said: str) -> None:
    assert wording.price(value) == said


@pytest.mark.parametrize(
    ("seconds", "said"),
    [(1, "1 second"), (90, "1 minute"), (3600, "1 hour"), (90000, "25 hours"), (1e6, "11 days")],
)
def test_spans_are_said_in_one_unit(seconds: float, said: str) -> None:
    assert wording.duration(timedelta(seconds=seconds)) == said


@pytest.mark.parametrize(("hits", "total"), [(0, 7), (7, 7), (30, 101)])
def test_wilson_is_that_of_statsmodels(hits: int, total: int) -> None:
    assert wording.wilson(hits, total) == pytest.approx(
        proportion_confint(hits, total, method="wilson")
    )


def test_an_interval_needs_something_to_stand_on() -> None:
    assert wording.wilson(0, 0) is None
    assert wording.sharpe_interval(0.0, 0.5) is None
    assert wording.sharpe_interval(9.0, 1.0) is None


def test_the_sharpe_ratio_lies_amid_its_interval() -> None:
    # Φ(1) = 0.8413: the ratio is one standard error above 0.
    low, high = wording.sharpe_interval(2.0, 0.8413447460685429) or (0, 0)
    assert (low, high) == pytest.approx((2 - 1.96 * 2, 2 + 1.96 * 2), abs=1e-3)


def test_a_text_is_shown_as_it_is() -> None:
    assert wording.escaped("a_b*[c]$:red[x]<i>") == r"a\_b\*\[c\]\$\:red\[x\]\<i\>"
