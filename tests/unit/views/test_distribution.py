"""Bins of a distribution of results."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runner.views.sections.journal import _bars, _edges


def edges(results: list[float]) -> list[float]:
    mean = sum(results) / len(results)
    spread = (sum((each - mean) ** 2 for each in results) / len(results)) ** 0.5
    return _edges(
        {
            "lowest_profit": min(results),
            "highest_profit": max(results),
            "expectancy": mean,
            "profit_deviation": spread,
        },
        "profit",
    )


@pytest.mark.parametrize("result", [0.1, 0.2, 1.1, -5.1, 0.0])
@pytest.mark.parametrize("count", [1, 3, 9])
def test_results_that_are_all_the_same_have_a_bin(result: float, count: int) -> None:
    """The mean of three times 0.1 is not 0.1 in doubles."""
    low, high = edges([result] * count)
    assert low <= result < high


@given(st.lists(st.floats(-1e9, 1e9).map(lambda each: round(each, 6)), min_size=1, max_size=50))
def test_edges_rise_evenly(results: list[float]) -> None:
    found = edges(results)
    assert 2 <= len(found) <= 40
    widths = [high - low for low, high in pairwise(found)]
    assert min(widths) > 0
    assert max(widths) == pytest.approx(min(widths), rel=1e-3)


@pytest.mark.parametrize(
    ("lowest", "highest", "ways"),
    [
        (-9.0, 99.0, ["won or lost", "won", "won"]),
        (1.0, 99.0, ["won", "won", "won"]),
        (-99.0, -1.0, ["lost", "lost", "lost"]),
        (-99.0, 9.0, ["lost", "lost", "won or lost"]),
    ],
)
def test_an_outer_bar_has_the_colour_of_all_that_it_holds(
    lowest: float, highest: float, ways: list[str]
) -> None:
    """Far beyond the edges may lie a loss, though the bar is drawn among the gains."""
    inner = [20.0, 30.0] if lowest > -99 else [-30.0, -20.0]
    bars = _bars(inner, {0: 1, 1: 5, 2: 1}, lowest, highest)
    assert [bar["way"] for bar in bars] == ways
