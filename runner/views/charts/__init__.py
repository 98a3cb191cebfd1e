"""Charts of the dashboard and the report, in Altair: rows in, a chart out.

Colours are those of Okabe and Ito (2008), which colour-blind readers can tell apart; a shape, a
dash or a position always repeats the colour's meaning. Text and lines of the frame have no colour
here: they follow the reader's light or dark theme. All times are UTC.
"""

from runner.views.charts.frame import DIRECTIONS, Chart
from runner.views.charts.journal import (
    calendar,
    distribution,
    excursions,
    expectancies,
    exposure,
    months,
    rolling_sharpe,
)
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
    "calendar",
    "calibration",
    "candles",
    "distribution",
    "drawdown",
    "equity",
    "excursions",
    "expectancies",
    "exposure",
    "gaps",
    "half_lives",
    "intervals",
    "months",
    "price_of",
    "probability_of",
    "reconciliation",
    "relations",
    "rolling_sharpe",
    "skill",
    "spark",
    "training",
    "weights",
]
