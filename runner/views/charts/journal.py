"""Charts of the journal: days and months, distributions, excursions, and risk day by day."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, timedelta
from typing import Any

import altair as alt

from runner.views.charts import frame
from runner.views.charts.frame import BLUE, GREY, VERMILLION, Chart, Row

_WEEKDAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
_MONTHS = tuple(f"{date(2000, number, 1):%b}" for number in range(1, 13))
_WAYS = {"won": BLUE, "lost": VERMILLION, "neither": GREY, "won or lost": GREY}
_RESULTS = {"WIN": "won", "LOSS": "lost", "BREAK_EVEN": "neither"}


def calendar(rows: Sequence[Row], last: date) -> Chart:
    """Realized P&L of each day of the year that ends with ``last``, a column a week."""
    first = last - timedelta(days=last.weekday() + 52 * 7)
    cells = [
        {
            **row,
            "week": row["trading_date"] - timedelta(days=row["trading_date"].weekday()),
            "weekday": _WEEKDAYS[row["trading_date"].weekday()],
        }
        for row in rows
        if row["trading_date"] >= first
    ]
    weeks = {cell["week"] for cell in cells}
    every = [min(weeks) + timedelta(days=7 * n) for n in range((last - min(weeks)).days // 7 + 1)]
    x = alt.X(
        "week:O",
        title=None,
        scale=alt.Scale(domain=[f"{week:%Y-%m-%d}T00:00:00Z" for week in every], paddingInner=0.12),
        axis=alt.Axis(
            labelExpr="utcFormat(toDate(datum.value), '%b %d')",
            labelAngle=0,
            labelOverlap="greedy",
            labelSeparation=8,
            ticks=False,
            domain=False,
        ),
    )
    y = alt.Y(
        "weekday:O",
        title=None,
        sort=list(_WEEKDAYS),
        scale=alt.Scale(domain=list(_WEEKDAYS)),
        axis=_bare_axis(),
    )
    return _heat(cells, x, y, "trading_date", height=210, title="Realized P&L by day")


def months(rows: Sequence[Row]) -> Chart:
    """Realized P&L of each month, a line a year.

    Rows: year, month (1 to 12), month_told, net_profit, trades.
    """
    cells = [{**row, "year": str(row["year"]), "name": _MONTHS[row["month"] - 1]} for row in rows]
    x = alt.X(
        "name:O",
        title=None,
        sort=list(_MONTHS),
        scale=alt.Scale(domain=list(_MONTHS), paddingInner=0.06),
        axis=_bare_axis(labelOverlap="greedy"),
    )
    y = alt.Y("year:O", title=None, sort="descending", axis=_bare_axis())
    years = len({cell["year"] for cell in cells})
    return _heat(cells, x, y, "month_told", height=100 + 34 * years, title="Realized P&L by month")


def _bare_axis(**other: Any) -> alt.Axis:
    return alt.Axis(labelAngle=0, ticks=False, domain=False, **other)


def _heat(cells: Sequence[Row], x: alt.X, y: alt.Y, when: str, *, height: int, title: str) -> Chart:
    """Cells whose colour says won or lost, and whose strength how much."""
    most = max(abs(cell["net_profit"]) for cell in cells)
    shown = [
        {
            **cell,
            "way": _way(cell["net_profit"]),
            "strength": abs(cell["net_profit"]) / most if most else 0,
        }
        for cell in cells
    ]
    columns = [*{x.shorthand.split(":")[0], y.shorthand.split(":")[0], when}]
    made = (
        frame.chart(shown, *columns, "way", "strength", "net_profit", "trades")
        .mark_rect(cornerRadius=2)
        .encode(
            x=x,
            y=y,
            color=_ways(shown),
            opacity=alt.Opacity(
                "strength:Q", scale=alt.Scale(domain=[0, 1], range=[0.25, 1]), legend=None
            ),
            tooltip=frame.tooltip(when, "net_profit", "trades"),
        )
    )
    return frame.layers(made, height=height, title=title, in_legend=2)


def _way(amount: float) -> str:
    return "won" if amount > 0 else "lost" if amount < 0 else "neither"


def _ways(rows: Sequence[Row]) -> alt.Color:
    names = [way for way in _WAYS if any(row["way"] == way for row in rows)]
    return alt.Color(
        "way:N",
        scale=alt.Scale(domain=names, range=[_WAYS[name] for name in names]),
        legend=frame.legend(symbolSize=100),
    )


def distribution(rows: Sequence[Row], *, axis: str) -> Chart:
    """How many trades lie between two amounts. Rows: from, to, range, way, trades."""
    bars = (
        frame.chart(rows, "from", "to", "range", "way", "trades")
        .mark_bar(stroke=None, binSpacing=1)
        .encode(
            x=alt.X("from:Q", title=axis, bin="binned", axis=alt.Axis(tickCount=6, grid=False)),
            x2="to:Q",
            y=alt.Y("trades:Q", title="trades", axis=alt.Axis(tickMinStep=1, tickCount=5)),
            color=_ways(rows),
            tooltip=frame.tooltip("range", "trades"),
        )
    )
    return frame.layers(bars, height=260, title=f"Distribution of {axis}", in_legend=1)


def excursions(rows: Sequence[Row]) -> Chart:
    """Each trade by how far the price went against it and for it."""
    shown = [{**row, "way": _RESULTS[row["result"]], "trade": row["trade_id"]} for row in rows]
    names = [name for name in _WAYS if any(row["way"] == name for row in shown)]
    told = ("trade", "source", "symbol", "way", "mae", "mfe", "net_profit", "r_multiple")
    dots = (
        frame.chart(shown, *told)
        .mark_point(filled=True, size=45, opacity=0.65)
        .encode(
            x=alt.X(
                "mae:Q",
                title="MAE, against the trade",
                axis=alt.Axis(format=".1%", tickCount=5),
            ),
            y=alt.Y("mfe:Q", title="MFE, for the trade", axis=alt.Axis(format=".1%", tickCount=5)),
            color=_ways(shown),
            shape=alt.Shape(
                "way:N",
                scale=alt.Scale(
                    domain=names,
                    range=[{"won": "circle", "lost": "cross"}.get(n, "square") for n in names],
                ),
                legend=frame.legend(symbolSize=100),
            ),
            tooltip=frame.tooltip(*told),
        )
    )
    return frame.layers(dots, height=320, in_legend=1)


def expectancies(rows: Sequence[Row], *, title: str) -> Chart:
    """The expectancy of each value of a dimension, with its 95% interval where it has one.

    ``source`` names the line, one below the other where a value has several.
    """
    shown = [{**row, "low": (row["expectancy_95"] or (None, None))[0],
              "high": (row["expectancy_95"] or (None, None))[1]} for row in rows]  # fmt: skip
    names = list(dict.fromkeys(row["dimension_value"] for row in rows))
    sources = len({row["source"] for row in rows})
    columns = ("source", "dimension_value", "expectancy", "low", "high", "trades")
    base = frame.chart(shown, *columns)
    if sources > 1:
        base = base.encode(yOffset="source:N", color=frame.series(rows, "source")["color"])
    y = alt.Y("dimension_value:N", sort=names, title=None, axis=alt.Axis(labelOverlap=False))
    told = frame.tooltip(*columns)
    lines = base.mark_rule(strokeWidth=2, color=BLUE).encode(
        x=alt.X("low:Q", title="expectancy, 95% interval", axis=alt.Axis(tickCount=4)),
        x2="high:Q",
        y=y,
        tooltip=told,
    )
    dots = base.mark_point(filled=True, size=50, opacity=1, color=BLUE).encode(
        x="expectancy:Q", y=y, tooltip=told
    )
    zero = frame.reference(0).encode(x=alt.datum(0))
    height = (18 if sources == 1 else 28) * len(names) + 110
    return frame.layers(
        lines, dots, zero, height=height, title=title, in_legend=sources if sources > 1 else 0
    )


def rolling_sharpe(rows: Sequence[Row]) -> Chart:
    """The Sharpe ratio of the last days, day by day; ``source`` names the line."""
    return _lines(
        [row for row in rows if row["rolling_sharpe_ratio"] is not None],
        "rolling_sharpe_ratio",
        title="Rolling Sharpe ratio",
        axis=alt.Axis(tickCount=5),
        has_zero=True,
    )


def exposure(rows: Sequence[Row]) -> Chart:
    """Gross exposure at the end of each day; ``source`` names the line."""
    return _lines(
        [row for row in rows if row["gross_exposure"] is not None],
        "gross_exposure",
        title="Gross exposure",
        axis=alt.Axis(format=".0%", tickCount=5),
    )


def _lines(
    rows: Sequence[Row], column: str, *, title: str, axis: alt.Axis, has_zero: bool = False
) -> Chart:
    base = frame.chart(rows, "trading_date", "source", column).encode(
        x=frame.time("trading_date"), y=alt.Y(f"{column}:Q", title=None, axis=axis)
    )
    series = frame.series(rows, "source")
    lines = base.mark_line(strokeWidth=1.5).encode(**series)
    told = frame.tooltip("trading_date", "source", column)
    points = frame.nearest(base, column.partition("_")[0], color=series["color"], tooltip=told)
    shown = [lines, points, *([frame.rule(0)] if has_zero else [])]
    return frame.layers(
        *shown, height=200, title=title, in_legend=len({row["source"] for row in rows})
    )
