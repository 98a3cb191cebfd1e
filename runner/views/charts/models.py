"""Charts of models: their weight, skill, calibration and training."""

from __future__ import annotations

from collections.abc import Sequence

import altair as alt

from runner.views.asked import WINDOWS
from runner.views.charts import frame
from runner.views.charts.frame import BLUE, GREY, ORANGE, Chart, Row


def weights(rows: Sequence[Row]) -> Chart:
    """The weight of each expert, the heaviest first, with its value."""
    base = frame.chart(rows, "expert_name", "expert_type", "weight", "excess_loss").encode(
        y=alt.Y("expert_name:N", sort=None, title=None, axis=alt.Axis(labelLimit=170)),
        x=alt.X(
            "weight:Q",
            title="weight",
            scale=alt.Scale(domain=[0, 1]),
            axis=alt.Axis(format=".0%", tickCount=5),
        ),
        tooltip=frame.tooltip("expert_name", "expert_type", "weight", "excess_loss"),
    )
    bars = base.mark_bar(cornerRadiusEnd=2, size=18).encode(
        color=alt.Color(
            "expert_type:N",
            scale=alt.Scale(domain=["model", "pattern"], range=[BLUE, ORANGE]),
            legend=frame.legend(),
        )
    )
    return frame.layers(bars, height=34 * len(rows) + 120)


def calibration(rows: Sequence[Row], model: str) -> Chart:
    """A model's observed hit rate beside the predicted probability, with 95% intervals."""
    base = frame.chart(
        rows, "mean_predicted", "observed_rate", "observed_rate_lower", "observed_rate_upper", "n"
    )
    told = frame.tooltip(
        "n", "mean_predicted", "observed_rate", "observed_rate_lower", "observed_rate_upper"
    )
    x = alt.X(
        "mean_predicted:Q",
        title="predicted probability",
        axis=alt.Axis(format=".0%", tickCount=5),
        scale=alt.Scale(domain=[0.5, 1]),
    )
    ranges = base.mark_rule(strokeWidth=1.5, opacity=0.55, color=BLUE).encode(
        x=x,
        y=alt.Y(
            "observed_rate_lower:Q",
            title="observed hit rate",
            axis=alt.Axis(format=".0%"),
            scale=alt.Scale(domain=[0, 1]),
        ),
        y2="observed_rate_upper:Q",
        tooltip=told,
    )
    dots = base.mark_point(filled=True, opacity=1, color=BLUE).encode(
        x=x,
        y="observed_rate:Q",
        size=alt.Size("n:Q", scale=alt.Scale(range=[40, 300]), legend=None),
        tooltip=told,
    )
    ideal = (
        alt.Chart(alt.InlineData(values=[{"p": 0.5}, {"p": 1.0}]))
        .mark_line(color=GREY, strokeDash=[4, 4], clip=True)
        .encode(x=alt.X("p:Q"), y=alt.Y("p:Q"))
    )
    return frame.layers(ideal, ranges, dots, height=220, title=model)


def skill(rows: Sequence[Row], reference: float) -> Chart:
    """The Brier score of each model in each window, side by side: windows lie in each other.

    Rows: model, window_told, brier_score, n.
    """
    windows = list(reversed(WINDOWS))
    names = list(dict.fromkeys(row["model"] for row in rows))
    dots = (
        frame.chart(rows, "model", "window_told", "brier_score", "n")
        .mark_point(filled=True, size=80, opacity=1)
        .encode(
            x=alt.X("window_told:N", sort=windows, title="window", axis=alt.Axis(labelAngle=0)),
            xOffset=alt.XOffset("model:N", sort=names),
            y=frame.amounts("brier_score", "Brier score"),
            tooltip=frame.tooltip("model", "window_told", "brier_score", "n"),
            **frame.shapes(names, "model"),
        )
    )
    return frame.layers(
        frame.rule(reference),
        dots,
        title="Brier score by window",
        in_legend=2 * len(names),
    )


def half_lives(rows: Sequence[Row], bars: int = 48) -> Chart:
    """The remaining part of a signal's rank IC, bar by bar, by its half-life.

    Rows: model, signal_half_life_bars (not NULL).
    """
    points = [
        {"model": row["model"], "bars": bar, "left": 0.5 ** (bar / row["signal_half_life_bars"])}
        for row in rows
        for bar in range(0, bars + 1, 2)
    ]
    base = frame.chart(points, "model", "bars", "left").encode(
        x=alt.X("bars:Q", title="bars after the signal"),
        y=alt.Y("left:Q", title="rank IC left", axis=alt.Axis(format=".0%", tickCount=5)),
    )
    series = frame.series(points, "model")
    told = frame.tooltip("model", "bars", "left")
    return frame.layers(
        base.mark_line(strokeWidth=2).encode(**series),
        frame.nearest(base, "decay", color=series["color"], tooltip=told),
        title="Decay of the rank IC by its half-life",
        in_legend=len(rows),
    )


def training(rows: Sequence[Row], *, step: str, value: str) -> Chart:
    """Trainings: each step's value faint, its mean or best bold, and a line where one begins.

    Rows: model, run, first_step, step, step_value, smooth_value.
    """
    base = frame.chart(rows, "model", "run", "step", "step_value", "smooth_value").encode(
        x=alt.X("step:Q", title=step)
    )
    series = frame.series(rows, "model")
    told = frame.tooltip("model", "run", "step", "step_value", "smooth_value")
    dots = base.mark_point(size=12, filled=True, opacity=0.3).encode(
        y=frame.amounts("step_value", value), color=series["color"], tooltip=told
    )
    lines = base.mark_line(strokeWidth=2).encode(y="smooth_value:Q", detail="run:N", **series)
    begins = sorted({row["first_step"] for row in rows if row["run"] > 1})
    models = {row["model"] for row in rows}
    shown = [dots, lines]
    if begins:  # What has no rows would have no description either.
        bounds = frame.chart([{"begin": at - 0.5} for at in begins], "begin")
        shown.append(
            bounds.mark_rule(
                color=GREY, strokeDash=[2, 3], opacity=0.6, description="a retraining begins"
            ).encode(x="begin:Q")
        )
    return frame.layers(*shown, in_legend=len(models))
