"""What all charts have in common: colours, axes, legends, tooltips, and rows as JSON."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import date, datetime
from typing import Any

import altair as alt

from runner.views.dashboard.wording import source_label

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
UTC = alt.Scale(type="utc")
TOTALS = {
    source_label("ai: all"): (BLUE, [1, 0]),
    source_label("traditional: all"): (VERMILLION, [6, 3]),
    "account": (BLUE, [1, 0]),
}
"""The totals always keep their colour and their dash."""
_DASHES = [[2, 2], [8, 3, 2, 3], [12, 4], [4, 1], [1, 4], [1, 0], [6, 3]]
_SHAPES = ("circle", "square", "triangle-up", "diamond", "cross", "triangle-down")
_HEIGHT = 260
# Labels for any step between ticks: hours of a day, days of a month, months of a year, years.
_LABELS = (
    "utchours(datum.value) + utcminutes(datum.value) > 0"
    " ? [utcFormat(datum.value, '%H:%M'), utcFormat(datum.value, '%b %d')]"
    " : utcdate(datum.value) > 1 ? utcFormat(datum.value, '%b %d')"
    " : utcFormat(datum.value, utcmonth(datum.value) > 0 ? '%b' : '%Y')"
)


def chart(rows: Iterable[Row], *columns: str) -> alt.Chart:
    """A chart of these columns alone: columns that it does not show are not sent."""
    values = [{name: _json(_told_of(row, name)) for name in columns} for row in rows]
    return alt.Chart(alt.InlineData(values=values))


def _told_of(row: Row, name: str) -> Any:
    return source_label(row[name]) if name == "source" else row.get(name)


def _json(value: Any) -> Any:
    if isinstance(value, datetime):
        return value.strftime("%Y-%m-%dT%H:%M:%SZ")
    return f"{value:%Y-%m-%d}T00:00:00Z" if isinstance(value, date) else value


def time(column: str) -> alt.X:
    """The axis of time, with as many ticks as have room."""
    return alt.X(
        f"{column}:T",
        title=None,
        scale=UTC,
        axis=alt.Axis(
            labelExpr=_LABELS,
            labelOverlap="greedy",
            labelSeparation=8,
            tickCount=alt.ExprRef("max(2, min(10, floor(width / 90)))"),
        ),
    )


def amounts(column: str, title: str, **other: Any) -> alt.Y:
    """An axis of numbers that need not begin at 0."""
    return alt.Y(f"{column}:Q", title=title, scale=alt.Scale(zero=False), **other)


def directions(column: str) -> alt.Color:
    return alt.Color(
        f"{column}:N",
        scale=alt.Scale(domain=list(DIRECTIONS), range=list(DIRECTIONS.values())),
        legend=legend(),
    )


def series(rows: Iterable[Row], column: str, *, has_legend: bool = True) -> dict[str, Any]:
    """Colour and dash of each line."""
    names = list(dict.fromkeys(_told_of(row, column) for row in rows))
    others = [name for name in names if name not in TOTALS]
    taken = [colour for colour, _ in TOTALS.values()] if len(others) < len(names) else []
    colours = [colour for colour in PALETTE if colour not in taken]
    styles = TOTALS | dict(
        zip(others, zip(cycled(colours, others), cycled(_DASHES, others), strict=True), strict=True)
    )
    shown = legend(symbolType="stroke", symbolStrokeWidth=3, symbolSize=300) if has_legend else None
    return {
        "color": alt.Color(
            f"{column}:N",
            scale=alt.Scale(domain=names, range=[styles[name][0] for name in names]),
            legend=shown,
        ),
        "strokeDash": alt.StrokeDash(
            f"{column}:N",
            scale=alt.Scale(domain=names, range=[styles[name][1] for name in names]),
            legend=shown,
        ),
    }


def shapes(names: Sequence[str], column: str) -> dict[str, Any]:
    """Colour and shape of each kind of point."""
    return {
        "color": alt.Color(
            f"{column}:N",
            scale=alt.Scale(domain=list(names), range=cycled(PALETTE, names)),
            legend=legend(symbolSize=100),
        ),
        "shape": alt.Shape(
            f"{column}:N",
            scale=alt.Scale(domain=list(names), range=cycled(_SHAPES, names)),
            legend=legend(symbolSize=100),
        ),
    }


def cycled(values: Sequence[Any], names: Sequence[str]) -> list[Any]:
    """A value for each name; after the last value, the first one again."""
    return [values[number % len(values)] for number in range(len(names))]


def legend(**other: Any) -> alt.Legend:
    """A legend above the chart; two layers with the same names must share one legend."""
    return alt.Legend(
        title=None,
        orient="top",
        labelLimit=250,
        symbolOpacity=1,
        labelFontSize=12,
        rowPadding=3,
        columns=alt.ExprRef("max(1, floor(width / 210))"),
        **other,
    )


def rule(at: float) -> alt.Chart:
    """A dashed line across the chart."""
    made: alt.Chart = reference(at).encode(y=alt.datum(at))
    return made


def reference(at: float) -> alt.Chart:
    made: alt.Chart = alt.Chart().mark_rule(
        strokeDash=[4, 4], color=GREY, description=f"reference {at:g}"
    )
    return made


def nearest(base: alt.Chart, name: str, **encoded: Any) -> alt.Chart:
    """Points that show as the pointer comes near them, with their tooltip.

    ``name`` tells the chart's layers of this kind apart.
    """
    near = alt.selection_point(
        name=name, nearest=True, on="pointerover", clear="pointerout", empty=False
    )
    made: alt.Chart = (
        base.mark_point(size=70, filled=True, tooltip=True)
        .encode(opacity=alt.condition(near, alt.value(1), alt.value(0)), **encoded)
        .add_params(near)
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
    **dict.fromkeys(
        (
            "probability_up",
            "mean_predicted",
            "observed_rate",
            "observed_rate_lower",
            "observed_rate_upper",
            "left",
        ),
        ".1%",
    ),
    "weight": ".3%",
    **dict.fromkeys(("gross_exposure", "mae", "mfe"), ".2%"),
    **dict.fromkeys(("expectancy", "lost_amount"), ",.8~r"),
    "drawdown": ".2%",
    **dict.fromkeys(("n", "trades", "signals", "step", "bars", "models_built", "run"), ",d"),
    "brier_score": ".4f",
    "rank_ic": ".3f",
}
_TITLES = {
    "at": "time",
    "decided_at": "time",
    "opened_at": "time",
    "started_at": "time",
    "trading_date": "day",
    "probability_up": "P(up)",
    "expert_name": "expert",
    "expert_type": "type",
    "excess_loss": "loss beyond silence",
    "mean_predicted": "predicted probability",
    "observed_rate": "observed hit rate",
    "observed_rate_lower": "95% interval, low",
    "observed_rate_upper": "95% interval, high",
    "low": "95% interval, low",
    "high": "95% interval, high",
    "left": "rank IC left",
    "n": "signals",
    "bars": "bars after the signal",
    "window_told": "window",
    "step_value": "value",
    "smooth_value": "mean or best",
    "unreconciled_profit": "unexplained P&L",
    "reported_net_profit": "platform P&L",
    "what": "what",
    "dimension_value": "value",
    "gross_exposure": "of equity",
    "mae": "MAE",
    "mfe": "MFE",
    "month_told": "month",
    "net_profit": "realized P&L",
    "r_multiple": "R-multiple",
    "rolling_sharpe_ratio": "Sharpe ratio",
    "way": "result",
    **{f"{what}_price": what for what in ("open", "high", "low", "close")},
}
_TIMES = {"decided_at", "opened_at", "at", "started_at", "created_at"}
_WORDS = {
    "decision",
    "dimension_value",
    "expert_name",
    "expert_type",
    "model",
    "month_told",
    "range",
    "relation",
    "result",
    "source",
    "step",
    "symbol",
    "trade",
    "way",
    "what",
    "window_told",
}


def tooltip(*columns: str, **formats: str) -> list[alt.Tooltip]:
    """What a point says; ``formats`` are those that the column's name does not tell."""
    return [_told(column, formats.get(column)) for column in columns]


def _told(column: str, form: str | None) -> alt.Tooltip:
    title = _TITLES.get(column, column.replace("_", " "))
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
    return alt.Tooltip(f"{column}:Q", title=title, format=form or _FORMATS.get(column, ",.2f"))


def layers(
    *shown: alt.Chart, height: int = _HEIGHT, title: str = "", in_legend: int = 0
) -> alt.LayerChart:
    """The chart as wide as its place. The height has room for title, legend and axes as well."""
    height += (24 if title else 0) + 16 * in_legend
    made = alt.LayerChart(layer=list(shown)).properties(width="container", height=height)
    return made.properties(title=alt.Title(title, fontSize=13, anchor="start")) if title else made
