"""A report in the making: the sections so far, which the parts of ``sections`` draw on."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import psycopg

from runner.servers.database import Connection, Database
from runner.views.asked import Asked
from runner.views.dashboard.marts import MartError, Row, ask, explain
from runner.views.dashboard.wording import UNNAMED
from runner.views.surface import Figure, Section, Table

if TYPE_CHECKING:
    from runner.views.charts import Chart


@dataclass(frozen=True)
class Cells:
    """A table as text; ``columns`` are headings, definitions, and whether they align right."""

    columns: list[tuple[str, str, bool]]
    rows: list[list[str]]


@dataclass
class Part:
    """A section of the report: blocks of a kind and its content, in their order.

    ``problem`` is the reason if it is incomplete.
    """

    title: str
    marts: tuple[str, ...]
    blocks: list[tuple[str, Any]] = field(default_factory=list)
    problem: str = ""


class Draft:
    """The parts collected so far, and the connection that they are read on.

    ``definitions`` are those of the columns that the parts use, by label.
    """

    def __init__(self, connection: Connection, database: Database) -> None:
        self._connection = connection
        self._database = database
        self.parts: list[Part] = []
        self.specs: list[dict[str, Any]] = []
        self.definitions: dict[str, str] = {}
        self.descriptions = {
            row["name"]: " ".join(row["description"].split()) for row in self.rows("descriptions")
        }

    def draw(self, sections: Iterable[Section], asked: Asked) -> None:
        """Add sections; if a mart of one cannot be read, it says so and the report goes on."""
        for each in sections:
            label: Callable[[str], str] = asked.account.label if each.has_money else str
            part = Part(label(each.title), each.marts)
            self.parts.append(part)
            if missed := asked.not_followed(each.questions):
                self.say(missed)
            try:
                each.draw(self, asked)
            except MartError as error:
                part.problem = f"{error}."

    def rows(self, question: str, **parameters: Any) -> list[Row]:
        """The rows that answer one of the dashboard's questions. Raises MartError."""
        try:
            with self._connection.transaction():
                return ask(self._connection, question, parameters)
        except psycopg.Error as error:
            raise explain(error, self._database).error from error

    def ask(self, question: str, asked: Asked, **others: Any) -> list[Row]:
        return self.rows(question, **asked.parameters() | others)

    def figures(self, figures: Sequence[Figure]) -> None:
        shown = [(each, each.about or self._about(each.of, each.label)) for each in figures]
        self._add("figures", shown)

    def say(self, text: str) -> None:
        self._add("note", text)

    def point(self, text: str, page: str, title: str) -> None:
        self.say(f"{text} See {title}.")

    def warn(self, text: str) -> None:
        self._add("problem", text)

    def empty(self, text: str) -> None:
        self._add("note", text)

    def charts(self, charts: Sequence[tuple[Chart, str]], rows: Sequence[Row], name: str) -> None:
        if charts:
            at = len(self.specs)
            self._add("charts", [(at + number, alt) for number, (_, alt) in enumerate(charts)])
            self.specs += [chart.properties(description=alt).to_dict() for chart, alt in charts]

    def table(self, table: Table, rows: Sequence[Row], currency: str | None = UNNAMED) -> None:
        if table.is_detail:
            return
        columns = {name: each for name, each in table.columns.items() if not each.is_detail}
        headings = []
        for name, column in columns.items():
            label = column.heading(currency)
            about = column.about or self._about(column.of or f"{table.mart}.{name}", label)
            headings.append((label, about, column.is_number))
        cells = [
            [column.told(row.get(name)) for name, column in columns.items()]
            for row in rows[: table.printed]
        ]
        self._add("table", Cells(headings, cells))
        if len(rows) > table.printed:
            self.say(f"The first {table.printed} of {len(rows)}; the dashboard has the others.")

    def _add(self, kind: str, content: Any) -> None:
        self.parts[-1].blocks.append((kind, content))

    def _about(self, column: str | None, label: str) -> str:
        """A column's definition, which is also added to the list at the end."""
        text = self.descriptions.get(column or "", "")
        if text:
            self.definitions[f"{label} ({column})"] = text
        return text
