"""Numbers as people read them, and the intervals that no mart has."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import t
from shown_cells import cells
from statsmodels.stats.proportion import confint_proportions_2indep, proportion_confint
from streamlit.testing.v1 import AppTest

from runner.views.dashboard import parts, wording
from runner.views.surface import Column


def test_what_is_not_defined_is_a_dash() -> None:
    amounts = (wording.money, wording.price, wording.quantity)
    forms = (*amounts, wording.share, wording.number, wording.count)
    assert {form(None) for form in forms} == {"–"}
    assert wording.moment(None) == wording.day(None) == wording.duration(None) == "–"
    assert Column("", "percent interval").told(None) == "–"


@pytest.mark.parametrize(
    ("value", "said"),
    [
        (93916.42, "93,916.42"),
        (2.1652, "2.1652"),
        (0.0000123456, "0.000012346"),
        (0.0000000000085, "0.0000000000085"),
        (-37.63, "−37.6300"),
    ],
)
def test_prices_keep_the_digits_that_count(value: float, said: str) -> None:
    assert wording.price(value) == said


@pytest.mark.parametrize(
    ("value", "said"),
    [
        (0, "0.00"),
        (-0.0, "0.00"),
        (0.1 + 0.2, "0.30"),
        (10440.1, "10,440.10"),
        (-7020.656, "−7,020.66"),
        (0.00001254, "0.00001254"),
        (-0.000144298228, "−0.0001443"),
        (Decimal("0.000000000000000001"), "0.000000000000000001"),
        (0.99999, "1.00"),
        (Decimal("1e20"), "100,000,000,000,000,000,000.00"),
    ],
)
def test_money_is_neither_nothing_nor_a_power_of_ten(value: float | Decimal, said: str) -> None:
    assert wording.money(value) == said


@settings(deadline=None)
@given(st.decimals(-(10**19), 10**19, places=18))
def test_an_amount_shows_four_digits_at_least(value: Decimal) -> None:
    said = wording.money(value)
    read = Decimal(said.replace("−", "-").replace(",", ""))
    assert "E" not in said.upper()
    assert abs(read - value) <= max(abs(value) / 2000, 0 if abs(value) < 1 else Decimal("0.005"))


@pytest.mark.parametrize(
    ("value", "decimals", "said"),
    [
        (1, 1, "100.0%"),
        (0.99967, 1, ">99.9%"),
        (0.99967, 2, "99.97%"),
        (0.00042, 1, "<0.1%"),
        (-0.00001, 2, ">−0.01%"),
        (0, 1, "0.0%"),
        (-0.0962, 2, "−9.62%"),
    ],
)
def test_what_is_not_quite_all_or_nothing_does_not_look_so(
    value: float, decimals: int, said: str
) -> None:
    assert wording.share(value, decimals) == said


def test_a_probability_is_never_all_or_nothing() -> None:
    assert [Column("", "probability").told(p) for p in (0.0, 1.0)] == ["<0.1%", ">99.9%"]


def test_a_hold_says_where_it_leans() -> None:
    told = [wording.leaning("HOLD", p) for p in (0.51, 0.49, 0.5, 0.4999)]
    assert told == ["HOLD, leaning up", "HOLD, leaning down", "HOLD", "HOLD"]
    assert wording.leaning("BUY", 0.9) == "BUY"


@pytest.mark.parametrize(
    ("seconds", "said"),
    [
        (4170, "1 h 9 m"),
        (0, "0 s"),
        (59, "59 s"),
        (3600, "1 h"),
        (90061, "1 d 1 h"),
        (62, "1 m 2 s"),
    ],
)
def test_a_lag_has_two_units(seconds: float, said: str) -> None:
    assert wording.lag(timedelta(seconds=seconds)) == said


def table_of_small_amounts() -> None:
    from runner.views.dashboard import parts
    from runner.views.surface import Column, Table

    columns = {
        "price": Column("Price", "price", about="A price."),
        "profit": Column("Profit", "money", about="A profit."),
    }
    parts.show(
        Table("performance.trades", columns, "small", "Small amounts"),
        [{"price": 0.0000000000085, "profit": 0.00001254}, {"price": None, "profit": -2.0}],
    )


def test_a_table_shows_small_amounts() -> None:
    drawn = AppTest.from_function(table_of_small_amounts).run()
    assert not drawn.exception
    assert cells(drawn.dataframe[0].proto) == [
        ["0.0000000000085", "0.00001254"],
        ["–", "−2.00"],
    ]


def test_a_download_has_no_exponents() -> None:
    rows: list[dict[str, Any]] = [
        {"price": 0.0000000000085, "share": 0.25},
        {"price": None, "share": 1e-7},
    ]
    assert parts.as_csv(rows) == "price,share\n0.0000000000085,0.25\n,0.0000001\n"


def test_amounts_add_up_without_noise() -> None:
    assert wording.money(wording.total([0.1, 0.2, -0.3])) == "0.00"


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


@pytest.mark.parametrize("counts", [(56, 70, 48, 80), (9, 10, 3, 10), (10, 10, 0, 20)])
def test_newcombe_is_that_of_statsmodels(counts: tuple[int, int, int, int]) -> None:
    assert wording.newcombe(*counts) == pytest.approx(
        confint_proportions_2indep(*counts, method="newcomb", compare="diff")
    )
    assert wording.newcombe(1, 2, 0, 0) is None


@pytest.mark.parametrize("degrees", [4, 4.7, 9.5, 60, 1e9])
def test_t_is_that_of_scipy(degrees: float) -> None:
    assert wording.t_of_95_percent(degrees) == pytest.approx(t.ppf(0.975, degrees), rel=3e-10)


@pytest.mark.parametrize(
    ("word", "said"),
    [
        ("ai", "AI"),
        ("traditional: mean_reversion", "Rule-based: mean_reversion"),
        ("no_pattern", "no pattern"),
        ("TAKE_PROFIT", "take profit"),
        ("as_of", "time"),
    ],
)
def test_words_of_the_marts_are_shown_by_their_labels(word: str, said: str) -> None:
    assert Column("", "word").told(word) == said
    assert parts.as_csv([{"word": word}]) == f"word\n{word}\n"
