"""Charts of prices: decisions on them, signals on them, and the relations of signals."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

import altair as alt

from runner.views.charts import frame
from runner.views.charts.frame import (
    BLUE,
    GREEN,
    GREY,
    ORANGE,
    PURPLE,
    SKY,
    UTC,
    VERMILLION,
    Chart,
    Row,
)
from runner.views.dashboard.wording import label

_SHAPES = {"BUY": "triangle-up", "SELL": "triangle-down", "HOLD": "circle"}


def price_of(rows: Sequence[Row]) -> Chart:
    """Closes of a symbol, and the ensemble's decisions where they changed."""
    changes = [
        row
        for before, row in zip([None, *rows[:-1]], rows, strict=True)
        if before is None or before["decision"] != row["decision"]
    ]
    base = frame.chart(rows, "decided_at", "close_price", "decision", "probability_up").encode(
        x=frame.time("decided_at")
    )
    told = frame.tooltip("decided_at", "decision", "probability_up", "close_price")
    base = base.encode(y=frame.amounts("close_price", "price"))
    line = base.mark_line(color=GREY, strokeWidth=1.5)
    marks = (
        frame.chart(changes, "decided_at", "close_price", "decision", "probability_up")
        .mark_point(size=90, filled=True, opacity=1)
        .encode(
            x=frame.time("decided_at"),
            y="close_price:Q",
            color=frame.directions("decision"),
            shape=alt.Shape(
                "decision:N",
                scale=alt.Scale(domain=list(_SHAPES), range=list(_SHAPES.values())),
                legend=frame.legend(),
            ),
            tooltip=told,
        )
    )
    points = frame.nearest(base, "price", color=frame.directions("decision"), tooltip=told)
    return frame.layers(line, points, marks)


def spark(rows: Sequence[Row]) -> Chart:
    """The closes of a symbol as a small line without a frame."""
    line = (
        frame.chart(rows, "decided_at", "close_price")
        .mark_line(color=GREY, strokeWidth=1.5)
        .encode(
            x=alt.X("decided_at:T", scale=UTC, axis=None),
            y=alt.Y("close_price:Q", scale=alt.Scale(zero=False), axis=None),
            tooltip=frame.tooltip("decided_at", "close_price"),
        )
    )
    return frame.layers(line, height=44)


def probability_of(rows: Sequence[Row]) -> Chart:
    """The ensemble's probability that a symbol rises, around one half."""
    base = frame.chart(rows, "decided_at", "probability_up", "decision").encode(
        x=frame.time("decided_at"),
        y=frame.amounts("probability_up", "P(up)", axis=alt.Axis(format=".0%", tickCount=5)),
    )
    area = base.mark_area(color=BLUE, opacity=0.25, line={"color": BLUE}).encode(y2=alt.datum(0.5))
    told = frame.tooltip("decided_at", "probability_up", "decision")
    points = frame.nearest(base, "probability", color=alt.value(BLUE), tooltip=told)
    return frame.layers(area, frame.rule(0.5), points, height=140)


def relations(rows: Sequence[Row]) -> Chart:
    """Signals that confirm or contradict their patterns, and how many of each were traded."""
    parts = [
        {"relation": label(row["relation"]), "what": what, "signals": signals}
        for row in rows
        for what, signals in (
            ("traded", row["traded"]),
            ("not traded", row["signals"] - row["traded"]),
        )
    ]
    bars = (
        frame.chart(parts, "relation", "what", "signals")
        .mark_bar(cornerRadiusEnd=2, size=18)
        .encode(
            y=alt.Y("relation:N", sort=None, title=None),
            x=alt.X("signals:Q", title="signals", axis=alt.Axis(tickMinStep=1, tickCount=6)),
            color=alt.Color(
                "what:N",
                scale=alt.Scale(domain=["traded", "not traded"], range=[BLUE, SKY]),
                legend=frame.legend(),
            ),
            order=alt.Order("what:N", sort="descending"),
            tooltip=frame.tooltip("relation", "what", "signals"),
        )
    )
    return frame.layers(bars, height=40 * len(rows) + 90)


def candles(
    rows: Sequence[Row], signal_at: datetime | None, marks: Sequence[Row], levels: Sequence[Row]
) -> Chart:
    """Bars around a signal or a trade, with its events and the prices of its plan.

    ``marks``: at, price, what (at most three kinds). ``levels``: price, what.
    """
    prices = ("open_price", "high_price", "low_price", "close_price")
    ways = [{**row, "way": _way(row)} for row in rows]
    chart = frame.chart(ways, "opened_at", *prices, "volume", "way")
    tooltip = frame.tooltip("opened_at", *prices, "volume")
    colour = alt.Color(
        "way:N",
        scale=alt.Scale(domain=["up", "down"], range=[GREEN, VERMILLION]),
        legend=None,
    )
    x = frame.time("opened_at")
    wicks = chart.mark_rule().encode(
        x=x,
        y=frame.amounts("low_price", "price"),
        y2="high_price:Q",
        color=colour,
        tooltip=tooltip,
    )
    # A bar is filled when the price fell, hollow when it rose: readable without colour.
    bodies = chart.mark_bar(width={"band": 0.7}, size=4, strokeWidth=1).encode(
        x=x,
        y="open_price:Q",
        y2="close_price:Q",
        color=colour,
        stroke=colour,
        fillOpacity=alt.condition("datum.way == 'up'", alt.value(0.15), alt.value(1)),
        tooltip=tooltip,
    )
    shown = [wicks, bodies]
    if levels:
        lines = frame.chart(levels, "price", "what")
        shown.append(
            lines.mark_rule(strokeDash=[6, 4], color=GREY, strokeWidth=1.5).encode(
                y="price:Q", tooltip=frame.tooltip("what", "price")
            )
        )
        shown.append(
            lines.mark_text(align="left", dy=-7, fontSize=12, color=GREY).encode(
                y="price:Q", x=alt.value(4), text="what:N"
            )
        )
    if signal_at is not None:
        moment = frame.chart([{"at": signal_at}], "at").encode(x=alt.X("at:T", scale=UTC))
        shown.append(moment.mark_rule(strokeDash=[2, 3], color=BLUE, strokeWidth=1.5))
        shown.append(
            moment.mark_text(align="right", dx=-5, dy=-7, fontSize=12, color=GREY).encode(
                y=alt.value("height"), text=alt.value("signal")
            )
        )
    if marks:
        names = list(dict.fromkeys(row["what"] for row in marks))
        shown.append(
            frame.chart(marks, "at", "price", "what")
            .mark_point(size=150, filled=True, opacity=1, stroke="white", strokeWidth=1)
            .encode(
                x=alt.X("at:T", scale=UTC),
                y="price:Q",
                shape=alt.Shape(
                    "what:N",
                    scale=alt.Scale(domain=names, range=["circle", "diamond", "square"]),
                    legend=frame.legend(symbolSize=140),
                ),
                fill=alt.Fill(
                    "what:N",
                    scale=alt.Scale(domain=names, range=[ORANGE, PURPLE, SKY]),
                    legend=frame.legend(symbolSize=140),
                ),
                tooltip=frame.tooltip("what", "at", "price"),
            )
        )
    return frame.layers(*shown, height=380)


def _way(row: Row) -> str:
    return "up" if row["close_price"] >= row["open_price"] else "down"
