"""A report in the making: the sections so far, and how a section is made."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from typing import TYPE_CHECKING, Any

import psycopg

from runner.servers.database import Connection, Database
from runner.views.dashboard.marts import MartError, Row, ask, explain
from runner.views.dashboard.wording import ARROWS, UNDEFINED, day, interval, moment, wilson

if TYPE_CHECKING:
    from runner.views.charts import Chart

Form = Callable[[Any], str]


@dataclass(frozen=True)
class Figure:
    """A number, the text beside it, and its definition."""

    label: str
    value: str
    beside: str = ""
    about: str = ""


@dataclass(frozen=True)
class Table:
    """Formatted cells; ``columns`` are headings, definitions, and whether to align right."""

    columns: list[tuple[str, str, bool]]
    rows: list[list[str]]


@dataclass
class Section:
    """A part of the report. ``problem`` is the reason if it is incomplete."""

    title: str
    marts: tuple[str, ...]
    figures: list[Figure] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    charts: list[tuple[int, str]] = field(default_factory=list)
    tables: list[Table] = field(default_factory=list)
    problem: str = ""


@dataclass(frozen=True)
class Period:
    """UTC days, both included."""

    first: date
    last: date

    def days(self) -> dict[str, Any]:
        return {"first": self.first, "last": self.last}

    def times(self) -> dict[str, Any]:
        """The days as moments, the last one excluded."""
        midnight = datetime.min.time()
        return {
            "first": datetime.combine(self.first, midnight, UTC),
            "last": datetime.combine(self.last + timedelta(days=1), midnight, UTC),
        }


class Draft:
    """The parts collected so far, and the connection that they are read on.

    ``definitions`` are those of the columns that the sections use, by label.
    """

    def __init__(self, connection: Connection, database: Database) -> None:
        self._connection = connection
        self._database = database
        self.sections: list[Section] = []
        self.specs: list[dict[str, Any]] = []
        self.definitions: dict[str, str] = {}
        self.descriptions = {
            row["name"]: " ".join(row["description"].split()) for row in self.ask("descriptions")
        }

    @contextmanager
    def section(self, title: str, *marts: str) -> Iterator[Section]:
        """A section; if one of its marts cannot be read, it says so and the report goes on."""
        made = Section(title, marts)
        self.sections.append(made)
        try:
            yield made
        except MartError as error:
            made.problem = f"{error}."

    def ask(self, question: str, **parameters: Any) -> list[Row]:
        """The rows that answer one of the dashboard's questions. Raises MartError."""
        try:
            with self._connection.transaction():
                return ask(self._connection, question, parameters)
        except psycopg.Error as error:
            raise explain(error, self._database).error from error

    def chart(self, section: Section, chart: Chart, alt: str) -> None:
        section.charts.append((len(self.specs), alt))
        self.specs.append(chart.properties(description=alt).to_dict())

    def table(
        self, section: Section, mart: str, rows: Sequence[Row], *columns: tuple[str, str, Form]
    ) -> None:
        """Add a table; a column is its name in the rows, its label, and the form of its cells."""
        headings = [
            # What follows a blank tells apart several columns of one definition.
            (label, self.about(f"{mart}.{name.split()[0]}", label), form not in _WORDS)
            for name, label, form in columns
        ]
        cells = [[form(row.get(name)) for name, _, form in columns] for row in rows]
        section.tables.append(Table(headings, cells))

    def about(self, column: str, label: str) -> str:
        """A column's definition, which is also added to the list at the end."""
        text = self.descriptions.get(column, "")
        if text:
            self.definitions[f"{label} ({column})"] = text
        return text


def add_rate(row: Row, name: str, wins: int, cases: int) -> None:
    """Add a share of wins, and its 95% interval."""
    row[name] = wins / cases if cases else None
    row[f"{name}_95"] = interval(wilson(wins, cases), as_share=True)


def text(value: str | None) -> str:
    return value or UNDEFINED


def decision(value: str) -> str:
    return f"{ARROWS[value]} {value}"


def yes(value: bool | None) -> str:
    return {True: "yes", False: "no", None: UNDEFINED}[value]


_WORDS = (str, text, decision, yes, moment, day)
"""Forms whose columns stand on the left; numbers stand on the right."""
