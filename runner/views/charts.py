"""Charts of the dashboard and the report, in Altair: rows in, a chart out.

Colours are those of Okabe and Ito (2008), which colour-blind readers can tell apart; a shape, a
dash or a position always repeats the colour's meaning. Text and lines of the frame have no colour
here: they follow the reader's light or dark theme. All times are UTC.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import date, datetime
from typing import Any

import altair as alt

Row = Mapping[str, Any]
Chart = alt.Chart | alt.LayerChart

BLUE, VERMILLION, GREEN, PURPLE, SKY, ORANGE, GREY = PALETTE = (
    "#0072B2",
    "#D55E00",
    "#009E73",
    "#CC79A7",
    "#56B4E9",
    "#E69F00",
    "#8A8A8A",
)
DIRECTIONS = {"BUY": GREEN, "SELL": VERMILLION, "HOLD": GREY}
SHAPES = {"BUY": "triangle-up", "SELL": "triangle-down", "HOLD": "circle"}
SOURCES = {"ai": BLUE, "traditional": VERMILLION}
_DASHES = [[1, 0], [6, 3], [2, 2], [8, 3, 2, 3], [12, 4], [4, 1], [1, 4]]
_SHAPES = ("circle", "square", "triangle-up", "diamond", "cross", "triangle-down")
_UTC = alt.Scale(type="utc")
_HEIGHT = 260
# Labels for any step between ticks: hours of a day, days of a month, months of a year, years.
_LABELS = (
    "utchours(datum.value) + utcminutes(datum.value) > 0 ? utcFormat(datum.value, '%H:%M')"
    " : utcdate(datum.value) > 1 ? utcFormat(datum.value, '%b %d')"
    " : utcFormat(datum.value, utcmonth(datum.value) > 0 ? '%b' : '%Y')"
)


def price_of(rows: Sequence[Row]) -> Chart:
    """Closes of a symbol, and the ensemble's decisions where they changed."""
    changes = [
        row
        for before, row in zip([None, *rows[:-1]], rows, strict=True)
        if before is None or before["decision"] != row["decision"]
    ]
    base = _chart(rows, "decided_at", "close_price", "decision", "probability_up").encode(
        x=_time("decided_at")
    )
    line = base.mark_line(color=GREY, strokeWidth=1.5).encode(
        y=alt.Y("close_price:Q", title="price", scale=alt.Scale(zero=False))
    )
    marks = (
        _chart(changes, "decided_at", "close_price", "decision", "probability_up")
        .mark_point(size=90, filled=True, opacity=1)
        .encode(
            x=_time("decided_at"),
            y="close_price:Q",
            color=_directions("decision"),
            shape=alt.Shape(
                "decision:N",
                scale=alt.Scale(domain=list(SHAPES), range=list(SHAPES.values())),
                legend=_legend(),
            ),
            tooltip=_tooltip("decided_at", "decision", "probability_up", "close_price"),
        )
    )
    return _layers(line, marks)


def spark(rows: Sequence[Row]) -> Chart:
    """The closes of a symbol as a small line without a frame."""
    line = (
        _chart(rows, "decided_at", "close_price")
        .mark_line(color=GREY, strokeWidth=1.5)
        .encode(
            x=alt.X("decided_at:T", scale=_UTC, axis=None),
            y=alt.Y("close_price:Q", scale=alt.Scale(zero=False), axis=None),
            tooltip=_tooltip("decided_at", "close_price"),
        )
    )
    return _layers(line, height=44)


def probability_of(rows: Sequence[Row]) -> Chart:
    """The ensemble's probability that a symbol rises, around one half."""
    base = _chart(rows, "decided_at", "probability_up", "decision").encode(x=_time("decided_at"))
    area = base.mark_area(color=BLUE, opacity=0.25, line={"color": BLUE}).encode(
        y=alt.Y(
            "probability_up:Q",
            title="probability up",
            scale=alt.Scale(zero=False),
            axis=alt.Axis(format=".0%", tickCount=5),
        ),
        y2=alt.datum(0.5),
        tooltip=_tooltip("decided_at", "probability_up", "decision"),
    )
    return _layers(area, _rule(0.5), height=140)


def weights(rows: Sequence[Row]) -> Chart:
    """The weight of each expert, the heaviest first."""
    shown = list(rows)[:10]
    base = _chart(shown, "expert_name", "expert_type", "weight", "excess_loss").encode(
        y=alt.Y("expert_name:N", sort=None, title=None, axis=alt.Axis(labelLimit=170)),
        x=alt.X("weight:Q", title="weight", axis=alt.Axis(format=".0%", tickCount=5)),
    )
    bars = base.mark_bar(cornerRadiusEnd=2).encode(
        color=alt.Color(
            "expert_type:N",
            scale=alt.Scale(domain=["model", "pattern"], range=[BLUE, ORANGE]),
            legend=_legend(),
        ),
        tooltip=_tooltip("expert_name", "expert_type", "weight", "excess_loss"),
    )
    return _layers(bars, height=30 * len(shown) + 90)


def relations(rows: Sequence[Row]) -> Chart:
    """Signals that confirm or contradict their patterns, and how many of each were traded."""
    parts = [
        {"relation": row["relation"].replace("_", " "), "what": what, "signals": signals}
        for row in rows
        for what, signals in (
            ("traded", row["traded"]),
            ("not traded", row["signals"] - row["traded"]),
        )
    ]
    bars = (
        _chart(parts, "relation", "what", "signals")
        .mark_bar(cornerRadiusEnd=2)
        .encode(
            y=alt.Y("relation:N", sort=None, title=None),
            x=alt.X("signals:Q", title="signals", axis=alt.Axis(tickMinStep=1, tickCount=6)),
            color=alt.Color(
                "what:N",
                scale=alt.Scale(domain=["traded", "not traded"], range=[BLUE, SKY]),
                legend=_legend(),
            ),
            order=alt.Order("what:N", sort="descending"),
            tooltip=_tooltip("relation", "what", "signals"),
        )
    )
    return _layers(bars, height=40 * len(rows) + 90)


def equity(rows: Sequence[Row]) -> Chart:
    """Equity of each source, day by day; ``source`` names it."""
    chart = _chart(rows, "trading_date", "source", "equity", "net_profit", "trades")
    lines = chart.mark_line(strokeWidth=2).encode(
        x=_time("trading_date"),
        y=alt.Y("equity:Q", title="equity", scale=alt.Scale(zero=False)),
        tooltip=_tooltip("trading_date", "source", "equity", "net_profit", "trades"),
        **_series(rows, "source"),
    )
    return _layers(lines)


def drawdown(rows: Sequence[Row]) -> Chart:
    """Drawdown of each source, day by day, below its highest equity so far."""
    chart = _chart(rows, "trading_date", "source", "drawdown")
    lines = chart.mark_line(strokeWidth=1.5, interpolate="step-after").encode(
        x=_time("trading_date"),
        y=alt.Y("drawdown:Q", title="drawdown", axis=alt.Axis(format=".1%", tickCount=4)),
        tooltip=_tooltip("trading_date", "source", "drawdown"),
        **_series(rows, "source", legend=False),
    )
    return _layers(lines, height=140)


def intervals(rows: Sequence[Row], reference: float, *, axis: str, form: str) -> Chart:
    """A value and its 95% interval for each source; ``reference`` is the value by luck.

    Rows: source, value, low, high.
    """
    chart = _chart(rows, "source", "value", "low", "high")
    y = alt.Y("source:N", sort=None, title=None, axis=alt.Axis(labelLimit=190))
    colour = _series(rows, "source", legend=False)["color"]
    tooltip = _tooltip("source", "value", "low", "high")
    lines = chart.mark_rule(strokeWidth=3).encode(
        x=alt.X(
            "low:Q",
            title=axis,
            axis=alt.Axis(format=form, tickCount=6),
            scale=alt.Scale(zero=False),
        ),
        x2="high:Q",
        y=y,
        color=colour,
        tooltip=tooltip,
    )
    dots = chart.mark_point(filled=True, size=90, opacity=1).encode(
        x="value:Q", y=y, color=colour, tooltip=tooltip
    )
    rule = _reference(reference).encode(x=alt.datum(reference))
    return _layers(rule, lines, dots, height=36 * len(rows) + 60)


def reconciliation(rows: Sequence[Row]) -> Chart:
    """The part of each day's reported profit that no order explains."""
    chart = _chart(rows, "trading_date", "unreconciled_profit", "reported_net_profit")
    bars = chart.mark_bar(color=PURPLE).encode(
        x=_time("trading_date"),
        y=alt.Y("unreconciled_profit:Q", title="unreconciled", axis=alt.Axis(tickCount=4)),
        tooltip=_tooltip("trading_date", "unreconciled_profit", "reported_net_profit"),
    )
    return _layers(bars, _rule(0), height=140)


def calibration(rows: Sequence[Row]) -> Chart:
    """Calibration: the observed rate beside the claimed probability, with 95% intervals."""
    chart = _chart(
        rows, "model", "mean_predicted", "observed_rate", "observed_rate_lower",
        "observed_rate_upper", "n",
    )  # fmt: skip
    tooltip = _tooltip(
        "model", "n", "mean_predicted", "observed_rate", "observed_rate_lower",
        "observed_rate_upper",
    )  # fmt: skip
    x = alt.X(
        "mean_predicted:Q",
        title="claimed probability",
        axis=alt.Axis(format=".0%", tickCount=5),
        scale=alt.Scale(domain=[0.5, max([0.6, *(row["mean_predicted"] for row in rows)])]),
    )
    names = list(dict.fromkeys(row["model"] for row in rows))
    colour = alt.Color(
        "model:N",
        scale=alt.Scale(domain=names, range=_cycled(PALETTE, names)),
        legend=_legend(columns=2, symbolSize=100),
    )
    shape = alt.Shape(
        "model:N",
        scale=alt.Scale(domain=names, range=_cycled(_SHAPES, names)),
        legend=_legend(columns=2, symbolSize=100),
    )
    ranges = chart.mark_rule(strokeWidth=1.5, opacity=0.55).encode(
        x=x,
        y=alt.Y(
            "observed_rate_lower:Q",
            title="right",
            axis=alt.Axis(format=".0%"),
            scale=alt.Scale(domain=[0, 1]),
        ),
        y2="observed_rate_upper:Q",
        color=colour,
        tooltip=tooltip,
    )
    dots = chart.mark_point(filled=True, opacity=1).encode(
        x=x,
        y="observed_rate:Q",
        size=alt.Size("n:Q", scale=alt.Scale(range=[40, 300]), legend=None),
        color=colour,
        shape=shape,
        tooltip=tooltip,
    )
    ideal = (
        alt.Chart(alt.InlineData(values=[{"p": 0.5}, {"p": 1.0}]))
        .mark_line(color=GREY, strokeDash=[4, 4], clip=True)
        .encode(x=alt.X("p:Q"), y=alt.Y("p:Q"))
    )
    return _layers(ideal, ranges, dots, height=380)


def skill(rows: Sequence[Row], column: str, reference: float, title: str) -> Chart:
    """A measure of skill over windows that grow shorter, the most recent last."""
    windows = ["all", "365d", "90d", "30d"]
    chart = _chart(rows, "model", "window_name", column, "n").encode(
        x=alt.X(
            "window_name:N",
            sort=windows,
            title="window",
            axis=alt.Axis(labelAngle=0),
            scale=alt.Scale(domain=windows),
        )
    )
    series = _series(rows, "model")
    lines = chart.mark_line(strokeWidth=1.5).encode(
        y=alt.Y(f"{column}:Q", title=title, scale=alt.Scale(zero=False)), **series
    )
    dots = chart.mark_point(filled=True, size=60, opacity=1).encode(
        y=f"{column}:Q",
        color=series["color"],
        tooltip=_tooltip("model", "window_name", column, "n"),
    )
    return _layers(_rule(reference), lines, dots, height=340)


def half_lives(rows: Sequence[Row], bars: int = 48) -> Chart:
    """The remaining part of a signal's rank IC, bar by bar, by its half-life.

    Rows: model, signal_half_life_bars (not NULL).
    """
    points = [
        {"model": row["model"], "bars": bar, "left": 0.5 ** (bar / row["signal_half_life_bars"])}
        for row in rows
        for bar in range(0, bars + 1, 2)
    ]
    lines = (
        _chart(points, "model", "bars", "left")
        .mark_line(strokeWidth=2)
        .encode(
            x=alt.X("bars:Q", title="bars after the signal"),
            y=alt.Y("left:Q", title="rank IC left", axis=alt.Axis(format=".0%", tickCount=5)),
            tooltip=_tooltip("model", "bars", "left"),
            **_series(points, "model"),
        )
    )
    return _layers(lines)


def training(rows: Sequence[Row], *, step: str, value: str) -> Chart:
    """A training: each step's value faint, its running mean or best bold.

    Rows: model, step, step_value, smooth_value.
    """
    chart = _chart(rows, "model", "step", "step_value", "smooth_value").encode(
        x=alt.X("step:Q", title=step)
    )
    series = _series(rows, "model")
    tooltip = _tooltip("model", "step", "step_value", "smooth_value")
    dots = chart.mark_point(size=12, filled=True, opacity=0.3).encode(
        y=alt.Y("step_value:Q", title=value, scale=alt.Scale(zero=False)),
        color=series["color"],
        tooltip=tooltip,
    )
    lines = chart.mark_line(strokeWidth=2).encode(y="smooth_value:Q", **series)
    return _layers(dots, lines)


def candles(
    rows: Sequence[Row], signal_at: datetime, marks: Sequence[Row], levels: Sequence[Row]
) -> Chart:
    """Bars around a signal, with its events and the prices of its plan.

    ``marks``: at, price, what (at most three kinds). ``levels``: price, what.
    """
    prices = ("open_price", "high_price", "low_price", "close_price")
    ways = [{**row, "way": _way(row)} for row in rows]
    chart = _chart(ways, "opened_at", *prices, "volume", "way")
    tooltip = _tooltip("opened_at", *prices, "volume")
    colour = alt.Color(
        "way:N",
        scale=alt.Scale(domain=["up", "down"], range=[GREEN, VERMILLION]),
        legend=None,
    )
    x = _time("opened_at")
    wicks = chart.mark_rule().encode(
        x=x,
        y=alt.Y("low_price:Q", title="price", scale=alt.Scale(zero=False)),
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
        lines = _chart(levels, "price", "what")
        shown.append(
            lines.mark_rule(strokeDash=[6, 4], color=GREY, strokeWidth=1.5).encode(y="price:Q")
        )
        shown.append(
            lines.mark_text(align="left", dy=-7, fontSize=12, color=GREY).encode(
                y="price:Q", x=alt.value(4), text="what:N"
            )
        )
    moment = _chart([{"at": signal_at}], "at").encode(x=alt.X("at:T", scale=_UTC))
    shown.append(moment.mark_rule(strokeDash=[2, 3], color=BLUE, strokeWidth=1.5))
    shown.append(
        moment.mark_text(align="right", dx=-5, dy=-7, fontSize=12, color=GREY).encode(
            y=alt.value("height"), text=alt.value("signal")
        )
    )
    if marks:
        names = list(dict.fromkeys(row["what"] for row in marks))
        shown.append(
            _chart(marks, "at", "price", "what")
            .mark_point(size=150, filled=True, opacity=1, stroke="white", strokeWidth=1)
            .encode(
                x=alt.X("at:T", scale=_UTC),
                y="price:Q",
                shape=alt.Shape(
                    "what:N",
                    scale=alt.Scale(domain=names, range=["circle", "diamond", "square"]),
                    legend=_legend(symbolSize=140),
                ),
                fill=alt.Fill(
                    "what:N",
                    scale=alt.Scale(domain=names, range=[ORANGE, PURPLE, SKY]),
                    legend=_legend(symbolSize=140),
                ),
                tooltip=_tooltip("what", "at", "price"),
            )
        )
    return _layers(*shown, height=380)


def build_times(rows: Sequence[Row]) -> Chart:
    """How long builds took, and which failed. Rows: started_at, run_seconds, result."""
    chart = _chart(rows, "started_at", "run_seconds", "result", "models_built")
    results = {"success": BLUE, "failed": VERMILLION}
    dots = chart.mark_point(filled=True, size=60, opacity=1).encode(
        x=_time("started_at"),
        y=alt.Y("run_seconds:Q", title="seconds"),
        color=alt.Color(
            "result:N",
            scale=alt.Scale(domain=list(results), range=list(results.values())),
            legend=_legend(),
        ),
        shape=alt.Shape(
            "result:N",
            scale=alt.Scale(domain=list(results), range=["circle", "cross"]),
            legend=_legend(),
        ),
        tooltip=_tooltip("started_at", "result", "run_seconds", "models_built"),
    )
    return _layers(dots, height=160)


def _way(row: Row) -> str:
    return "up" if row["close_price"] >= row["open_price"] else "down"


def _chart(rows: Iterable[Row], *columns: str) -> alt.Chart:
    """A chart of these columns alone: columns that it does not show are not sent."""
    values = [{name: _json(row.get(name)) for name in columns} for row in rows]
    return alt.Chart(alt.InlineData(values=values))


def _json(value: Any) -> Any:
    if isinstance(value, datetime):
        return value.strftime("%Y-%m-%dT%H:%M:%SZ")
    return f"{value:%Y-%m-%d}T00:00:00Z" if isinstance(value, date) else value


def _time(column: str) -> alt.X:
    return alt.X(
        f"{column}:T",
        title=None,
        scale=_UTC,
        axis=alt.Axis(labelExpr=_LABELS, labelOverlap=True, labelSeparation=8, tickCount=10),
    )


def _directions(column: str) -> alt.Color:
    return alt.Color(
        f"{column}:N",
        scale=alt.Scale(domain=list(DIRECTIONS), range=list(DIRECTIONS.values())),
        legend=_legend(),
    )


def _series(rows: Iterable[Row], column: str, *, legend: bool = True) -> dict[str, Any]:
    """Colour and dash of each line; the two totals always keep their own."""
    names = list(dict.fromkeys(row[column] for row in rows))
    others = [colour for colour in PALETTE if colour not in SOURCES.values()]
    has_totals = any(name in ("ai: all", "traditional: all") for name in names)
    free = iter((others if has_totals else list(PALETTE)) * (len(names) // len(others) + 1))
    colours = [
        SOURCES[name.split(":")[0]] if name in ("ai: all", "traditional: all") else next(free)
        for name in names
    ]
    shown = (
        _legend(columns=2, symbolType="stroke", symbolStrokeWidth=3, symbolSize=300)
        if legend
        else None
    )
    return {
        "color": alt.Color(
            f"{column}:N", scale=alt.Scale(domain=names, range=colours), legend=shown
        ),
        "strokeDash": alt.StrokeDash(
            f"{column}:N",
            scale=alt.Scale(domain=names, range=_cycled(_DASHES, names)),
            legend=shown,
        ),
    }


def _cycled(values: Sequence[Any], names: Sequence[str]) -> list[Any]:
    """A value for each name; after the last value, the first one again."""
    return [values[number % len(values)] for number in range(len(names))]


def _legend(**other: Any) -> alt.Legend:
    """A legend above the chart; two layers with the same names must share one legend."""
    return alt.Legend(title=None, orient="top", labelLimit=170, symbolOpacity=1, **other)


def _rule(at: float) -> alt.Chart:
    made: alt.Chart = _reference(at).encode(y=alt.datum(at))
    return made


def _reference(at: float) -> alt.Chart:
    made: alt.Chart = alt.Chart().mark_rule(
        strokeDash=[4, 4], color=GREY, description=f"reference {at:g}"
    )
    return made


# Eight significant digits without an exponent, for a billionth of a coin as well as a stock.
_AMOUNTS = (
    "close_price",
    "equity",
    "high_price",
    "low_price",
    "net_profit",
    "open_price",
    "price",
    "reported_net_profit",
    "unreconciled_profit",
    "volume",
)
_FORMATS = {
    **dict.fromkeys(_AMOUNTS, ",.8~r"),
    "probability_up": ".1%",
    "weight": ".1%",
    "drawdown": ".2%",
    "mean_predicted": ".1%",
    "observed_rate": ".1%",
    "observed_rate_lower": ".1%",
    "observed_rate_upper": ".1%",
    "left": ".0%",
    "n": ",d",
    "trades": ",d",
    "signals": ",d",
    "step": ",d",
    "bars": ",d",
    "models_built": ",d",
    "brier_score": ".4f",
    "rank_ic": ".3f",
    "excess_loss": ".2f",
}
_TIMES = {"decided_at", "opened_at", "at", "started_at"}
_WORDS = {
    "decision",
    "expert_name",
    "expert_type",
    "model",
    "relation",
    "result",
    "source",
    "what",
    "window_name",
}


def _tooltip(*columns: str) -> list[alt.Tooltip]:
    return [_told(column) for column in columns]


def _told(column: str) -> alt.Tooltip:
    title = column.replace("_", " ")
    if column in _WORDS:
        return alt.Tooltip(f"{column}:N", title=title)
    if column in _TIMES:
        return alt.Tooltip(
            f"{column}:T", title=title, timeUnit="utcyearmonthdatehoursminutes",
            format="%Y-%m-%d %H:%M",
        )  # fmt: skip
    if column == "trading_date":
        return alt.Tooltip(
            f"{column}:T", title=title, timeUnit="utcyearmonthdate", format="%Y-%m-%d"
        )
    return alt.Tooltip(f"{column}:Q", title=title, format=_FORMATS.get(column, ",.2f"))


def _layers(*layers: alt.Chart, height: int = _HEIGHT) -> alt.LayerChart:
    return alt.LayerChart(layer=list(layers)).properties(width="container", height=height)
