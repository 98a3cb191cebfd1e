"""The section that sets two models side by side, or one model in two periods."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from runner.views import charts, tables
from runner.views.asked import Asked, Period
from runner.views.dashboard.marts import Row
from runner.views.dashboard.wording import UNDEFINED, newcombe, t_of_95_percent
from runner.views.surface import Column, Section, Surface

LEAST_STRETCHES = 5
"""Fewer stretches of days, each as long as outcomes last, give no interval."""
COMMON_DAYS = 10
"""Two models are compared over their common days, if there are so many."""


@dataclass(frozen=True)
class Side:
    """A model, and days of its own in the place of the period that is asked for."""

    model_id: int
    name: str
    model: str
    has_outcomes: bool
    days: Period | None = None


@dataclass(frozen=True)
class Figure:
    """How a figure is shown; ``better`` is 1 where more is better, −1 where less is.

    An error of calibration has neither: of equally good models, that with fewer signals has the
    larger one.
    """

    column: Column
    better: int = 0
    form: str = ""

    def told(self, value: float | None) -> str:
        is_whole = self.column.kind == "count" and value is not None
        return self.column.told(int(value) if is_whole and value is not None else value)

    def difference(self, value: float | None) -> str:
        """A difference with its sign; that of two shares is in points."""
        if value is None:
            return UNDEFINED
        told = self.told(value).replace("%", " pp").replace("-", "−")
        return f"+{told}" if value > 0 and told[0] not in "<>" else told

    def reading(self, row: Row) -> str | None:
        """What the interval says of the difference."""
        if not self.better or row["difference"] is None:
            return None
        if row["difference_95"] is None:
            return "too few days"
        low, high = row["difference_95"]
        if low <= 0 <= high:
            return "may be luck"
        return "B is better" if (low > 0) == (self.better > 0) else "A is better"


FIGURES = {
    "days": Figure(Column("Days with signals", "count")),
    "signals": Figure(Column("Signals", "count")),
    "resolved": Figure(Column("Resolved", "count")),
    "hit_rate": Figure(Column("Hit rate", "percent"), 1, ".1%"),
    "break_even": Figure(Column("Break-even hit rate", "percent")),
    "edge": Figure(Column("Hit rate − break-even", "percent"), 1, ".1%"),
    "mean_return": Figure(Column("Mean return", "percent", 3), 1, ".2%"),
    "brier_score": Figure(Column("Brier score", "number", 4), -1, ".3f"),
    "calibration_error": Figure(Column("Calibration error", "number", 3), 0, ".3f"),
    "trades": Figure(Column("Trades", "count")),
    "expectancy": Figure(Column("Expectancy", "money"), 1, ".2f"),
    "net_profit": Figure(Column("Realized P&L", "money")),
    "daily_profit": Figure(Column("Realized P&L a day with trades", "money"), 1, ".2f"),
}


def models(to: Surface, asked: Asked) -> list[Side]:
    """The models to choose from: those of the filter, if it names two or more."""
    found = [
        Side(row["model_id"], row["model_name"], row["model"], row["resolved"] > 0)
        for row in to.ask("compared_models", asked)
    ]
    chosen = [each for each in found if each.model in asked.sources]
    return chosen if len(chosen) > 1 else found


def first_pair(sides: Sequence[Side], asked: Asked) -> tuple[Side, Side] | None:
    """The pair that is shown unasked, the older first.

    One is the chosen model, or else the newest version of a model that has an earlier one; the
    other is its neighbour of the same name, or else the nearest model.
    """
    if len(sides) < 2:
        return None
    chosen = [at for at, each in enumerate(sides) if each.model in asked.sources]
    later = [
        at
        for at, each in enumerate(sides)
        if each.has_outcomes and any(each.name == earlier.name for earlier in sides[:at])
    ]
    lead = (chosen[:1] or later[-1:] or [1])[0]
    other = max(
        (at for at in range(len(sides)) if at != lead),
        key=lambda at: (
            sides[at].name == sides[lead].name,
            sides[at].has_outcomes,
            -abs(at - lead),
        ),
    )
    return sides[min(lead, other)], sides[max(lead, other)]


def _unasked(to: Surface, asked: Asked) -> None:
    pair = first_pair(models(to, asked), asked)
    if pair is None:
        to.empty("There are no two models yet.")
        return
    side_by_side(to, asked, *pair)


def side_by_side(to: Surface, asked: Asked, a: Side, b: Side) -> None:
    """The figures of both, their differences and how far these may be off."""
    spans = {name: _span(to, asked, each) for name, each in (("A", a), ("B", b))}
    days_a, days_b = spans["A"], spans["B"]
    if days_a is None or days_b is None:
        silent = a if days_a is None else b
        to.empty(f"{silent.model} has no BUY or SELL signal in this choice ({asked}).")
        return
    told = "Each over its own days, so the market makes a difference too."
    if not (a.days or b.days):
        first, last = max(days_a.first, days_b.first), min(days_a.last, days_b.last)
        if (last - first).days + 1 >= COMMON_DAYS:
            days_a = days_b = Period(first, last)
            told = f"Both over their common days, {days_a}."
    if (a.model, days_a) == (b.model, days_b):
        to.empty("A model does not differ from itself: choose another one, or days for A or B.")
        return
    labels = [f"A: {a.model}", f"B: {b.model}"]
    if days_a != days_b:
        labels = [f"{labels[0]}, {days_a}", f"{labels[1]}, {days_b}"]
    rows = compared(to, asked, (a.model, days_a), (b.model, days_b))
    to.say(f"{'; '.join(labels)}. {told}")
    to.say(_verdict(rows))
    columns = tables.COMPARED.columns
    headings = {
        name: replace(columns[name], label=label)
        for name, label in zip(("a_told", "b_told"), labels, strict=True)
    }
    to.table(replace(tables.COMPARED, columns={**columns, **headings}), rows)
    to.charts(
        [
            (
                charts.intervals(
                    [_line(row)],
                    0.0,
                    axis=f"{row['told']}, B − A",
                    form=FIGURES[row["figure"]].form,
                ),
                f"{row['told']}, B less A: {row['difference_told']}, 95% interval "
                f"{row['difference_95_told']}",
            )
            for row in rows
            if row["difference_95"]
        ],
        [],
        "",
    )


def _span(to: Surface, asked: Asked, side: Side) -> Period | None:
    """The days of a model's signals within those that are asked for."""
    own = {} if side.days is None else {"first": side.days.first, "last": side.days.last}
    found = to.ask("compared_days", asked, model_id=side.model_id, **own)
    return Period(**found[0]) if found else None


def compared(to: Surface, asked: Asked, a: tuple[str, Period], b: tuple[str, Period]) -> list[Row]:
    """A row for each figure, in numbers and in words."""
    found = {
        row["figure"]: row
        for row in to.ask(
            "compared",
            asked,
            sources=[a[0], b[0]],
            first=a[1].first,
            last=a[1].last,
            b_first=b[1].first,
            b_last=b[1].last,
        )
    }
    rows = []
    for name, figure in FIGURES.items():
        row = found[name]
        is_money = figure.column.kind == "money"
        row["told"] = asked.account.label(figure.column.label) if is_money else figure.column.label
        row["a_told"], row["b_told"] = figure.told(row["a"]), figure.told(row["b"])
        row["difference_told"] = figure.difference(row["difference"])
        ends = row["difference_95"] = _interval(row, found)
        row["difference_95_told"] = " to ".join(map(figure.difference, ends)) if ends else UNDEFINED
        row["reading"] = figure.reading(row)
        rows.append(row)
    return rows


def _interval(row: Row, rows: dict[str, Row]) -> tuple[float, float] | None:
    """The 95% interval of a difference, None where there are too few days."""
    if row["standard_error"] is None:
        return None
    stretches = row["days"] / (row["overlap_days"] + 1)
    if stretches < LEAST_STRETCHES:
        return None
    reach = t_of_95_percent(stretches - 1) * row["standard_error"]
    low, high = row["difference"] - reach, row["difference"] + reach
    if row["figure"] != "hit_rate":
        return low, high
    hits, cases = rows["wins"], rows["resolved"]
    least = newcombe(hits["b"], cases["b"], hits["a"], cases["a"])
    return (min(low, least[0]), max(high, least[1])) if least else (low, high)


def _verdict(rows: Sequence[Row]) -> str:
    told = [
        f"{reading}: {', '.join(by)}."
        for reading in ("B is better", "A is better")
        if (by := [row["told"] for row in rows if row["reading"] == reading])
    ]
    return " ".join(
        [
            *(told or ["No difference is beyond luck."]),
            "Of twenty differences, luck alone puts one beyond its interval.",
        ]
    )


def _line(row: Row) -> Row:
    low, high = row["difference_95"]
    return {"source": "B − A", "value": row["difference"], "low": low, "high": high}


SECTION = Section(
    "Two models side by side",
    ("performance.signal_outcomes",),
    ("compared",),
    _unasked,
)
