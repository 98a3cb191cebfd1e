"""Charts of profits, of their certainty, and of builds."""

from __future__ import annotations

from collections.abc import Sequence

import altair as alt

from runner.views.charts import frame
from runner.views.charts.frame import BLUE, PURPLE, VERMILLION, Chart, Row
from runner.views.dashboard.wording import label, source_label


def equity(rows: Sequence[Row]) -> Chart:
    """Equity of each source, day by day; ``source`` names it."""
    base = frame.chart(rows, "trading_date", "source", "equity", "net_profit", "trades").encode(
        x=frame.time("trading_date"), y=frame.amounts("equity", "equity")
    )
    told = frame.tooltip("trading_date", "source", "equity", "net_profit", "trades")
    series = frame.series(rows, "source")
    lines = base.mark_line(strokeWidth=2).encode(**series)
    points = frame.nearest(base, "equity", color=series["color"], tooltip=told)
    return frame.layers(
        lines, points, title="Equity", in_legend=len({row["source"] for row in rows})
    )


def drawdown(rows: Sequence[Row]) -> Chart:
    """Drawdown of each source, day by day, below its highest equity in the period so far."""
    base = frame.chart(rows, "trading_date", "source", "drawdown").encode(
        x=frame.time("trading_date"),
        y=alt.Y("drawdown:Q", title="drawdown", axis=alt.Axis(format=".1%", tickCount=4)),
    )
    series = frame.series(rows, "source", has_legend=False)
    lines = base.mark_line(strokeWidth=1.5, interpolate="step-after").encode(**series)
    told = frame.tooltip("trading_date", "source", "drawdown")
    points = frame.nearest(base, "drawdown", color=series["color"], tooltip=told)
    return frame.layers(lines, points, height=140, title="Drawdown from the period's peak")


def intervals(rows: Sequence[Row], reference: float | None, *, axis: str, form: str) -> Chart:
    """A value and its 95% interval for each source, beside the value that luck would give.

    Rows: source, value, low, high, reference. ``reference`` is that of all rows; None where each
    row has its own, which is then drawn as a tick in its line.
    """
    base = frame.chart(rows, "source", "value", "low", "high", "reference")
    names = [source_label(row["source"]) for row in rows]
    y = alt.Y("source:N", sort=names, title=None, axis=alt.Axis(labelLimit=190))
    colour = frame.series(rows, "source", has_legend=False)["color"]
    told = ["source", "value", "low", "high", *(["reference"] if reference is None else [])]
    tooltip = frame.tooltip(*told, **dict.fromkeys(told, form))
    lines = base.mark_rule(strokeWidth=3).encode(
        x=alt.X(
            "low:Q",
            title=axis,
            axis=alt.Axis(format=form, tickCount=5),
            scale=alt.Scale(zero=False),
        ),
        x2="high:Q",
        y=y,
        color=colour,
        tooltip=tooltip,
    )
    dots = base.mark_point(filled=True, size=90, opacity=1).encode(
        x="value:Q", y=y, color=colour, tooltip=tooltip
    )
    if reference is None:
        marks = base.mark_tick(thickness=2, size=24, color=frame.GREY).encode(
            x="reference:Q", y=y, tooltip=tooltip
        )
    else:
        marks = frame.reference(reference).encode(x=alt.datum(reference))
    return frame.layers(lines, dots, marks, height=44 * len(rows) + 80)


def reconciliation(rows: Sequence[Row]) -> Chart:
    """The part of each day's reported profit that no order explains."""
    bars = (
        frame.chart(rows, "trading_date", "unreconciled_profit", "reported_net_profit")
        .mark_bar(color=PURPLE)
        .encode(
            x=frame.time("trading_date"),
            y=alt.Y("unreconciled_profit:Q", title="P&L", axis=alt.Axis(tickCount=4)),
            tooltip=frame.tooltip("trading_date", "unreconciled_profit", "reported_net_profit"),
        )
    )
    return frame.layers(bars, frame.rule(0), height=140, title="Unexplained P&L")


def gaps(row: Row) -> Chart:
    """A waterfall from the hypothetical profit to the realized one, with the parts between."""
    level = row["hypothetical_profit"]
    steps = [{"step": "hypothetical", "from": 0, "to": level, "amount": level, "kind": "profit"}]
    for name in ("size", "not_traded", "delay", "price", "exit", "fees"):
        start, level = level, level - row[name]
        kind = "lost" if row[name] > 0 else "gained"
        steps.append(
            {
                "step": label(name),
                "from": start,
                "to": level,
                "amount": -row[name],
                "kind": kind,
            }
        )
    real = row["real_profit"]
    steps.append({"step": "realized", "from": 0, "to": real, "amount": real, "kind": "profit"})
    colours = {"profit": BLUE, "lost": VERMILLION, "gained": frame.GREEN}
    bars = (
        frame.chart(steps, "step", "from", "to", "amount", "kind")
        .mark_bar()
        .encode(
            y=alt.Y("step:N", sort=None, title=None, axis=alt.Axis(labelOverlap=False)),
            x=alt.X("from:Q", title="P&L", axis=alt.Axis(tickCount=4)),
            x2="to:Q",
            color=alt.Color(
                "kind:N",
                scale=alt.Scale(domain=list(colours), range=list(colours.values())),
                legend=frame.legend(),
            ),
            tooltip=frame.tooltip("step", "amount"),
        )
    )
    zero = frame.reference(0).encode(x=alt.datum(0))
    return frame.layers(bars, zero, height=280, title="From signal to account", in_legend=3)


def build_times(rows: Sequence[Row]) -> Chart:
    """How long builds took, and which failed. Rows: started_at, run_seconds, result."""
    results = {"success": BLUE, "failed": VERMILLION}
    dots = (
        frame.chart(rows, "started_at", "run_seconds", "result", "models_built")
        .mark_point(filled=True, size=60, opacity=1)
        .encode(
            x=frame.time("started_at"),
            y=alt.Y("run_seconds:Q", title="seconds"),
            color=alt.Color(
                "result:N",
                scale=alt.Scale(domain=list(results), range=list(results.values())),
                legend=frame.legend(),
            ),
            shape=alt.Shape(
                "result:N",
                scale=alt.Scale(domain=list(results), range=["circle", "cross"]),
                legend=frame.legend(),
            ),
            tooltip=frame.tooltip("started_at", "result", "run_seconds", "models_built"),
        )
    )
    return frame.layers(dots, height=160, title="Total run time of each build")
