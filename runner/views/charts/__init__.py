"""Charts of the dashboard and the report, in Altair: rows in, a chart out.

Colours are those of Okabe and Ito (2008), which colour-blind readers can tell apart; a shape, a
dash or a position always repeats the colour's meaning. Text and lines of the frame have no colour
here: they follow the reader's light or dark theme. All times are UTC.
"""

from runner.views.charts.frame import DIRECTIONS, Chart
from runner.views.charts.models import calibration, half_lives, skill, training, weights
from runner.views.charts.money import (
    build_times,
    drawdown,
    equity,
    gaps,
    intervals,
    reconciliation,
)
from runner.views.charts.prices import candles, price_of, probability_of, relations, spark

__all__ = [
    "DIRECTIONS",
    "Chart",
    "build_times",
    "calibration",
    "candles",
    "drawdown",
    "equity",
    "gaps",
    "half_lives",
    "intervals",
    "price_of",
    "probability_of",
    "reconciliation",
    "relations",
    "skill",
    "spark",
    "training",
    "weights",
]
