"""What a section draws on: a page of the dashboard, or the report. Neither is known here."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Protocol

from runner.views.asked import Asked
from runner.views.dashboard.marts import Row
from runner.views.dashboard.wording import (
    UNDEFINED,
    UNNAMED,
    count,
    day,
    in_currency,
    label,
    lag,
    minute,
    money,
    number,
    price,
    quantity,
    share,
)

if TYPE_CHECKING:
    from runner.views.charts import Chart

_FORMS: dict[str, Callable[[Any], str]] = {
    "count": count,
    "money": money,
    "price": price,
    "quantity": quantity,
    "time": minute,
    "day": day,
    "word": label,
    "lag": lambda seconds: lag(timedelta(seconds=float(seconds))),
}


@dataclass(frozen=True)
class Column:
    """How a column is shown, in a table of the dashboard and of the report alike.

    ``kind`` is text, word (of the marts, shown by its label), count, number, money, price,
    quantity, percent (of a share), probability, time, day, lag (of seconds), interval or percent
    interval (of two ends). ``of`` is the mart's column that describes it; by default the table's
    mart has one of the same name. A report leaves details out.
    """

    label: str
    kind: str = "text"
    decimals: int | None = None
    of: str | None = None
    about: str | None = None
    is_detail: bool = False

    def told(self, value: Any) -> str:
        """A value as it is read."""
        if value is None:
            return UNDEFINED
        if self.is_pair:
            part = Column("", "percent" if self.kind.startswith("percent") else "number")
            return " to ".join(part.told(end) for end in value)
        if self.kind == "probability":
            # However near, it is neither nothing nor all.
            return share(min(max(value, 1e-9), 1 - 1e-9))
        if self.kind == "percent":
            return share(value, 1 if self.decimals is None else self.decimals)
        if self.kind == "number":
            return number(value, 2 if self.decimals is None else self.decimals)
        return _FORMS.get(self.kind, str)(value)

    def heading(self, currency: str | None) -> str:
        """Its label, with the currency of money and the zone of times."""
        if self.kind == "money":
            return in_currency(self.label, currency)
        return f"{self.label} (UTC)" if self.kind == "time" else self.label

    @property
    def is_pair(self) -> bool:
        """Whether its values are two ends."""
        return self.kind.endswith("interval")

    @property
    def is_number(self) -> bool:
        """Whether it stands on the right."""
        return self.kind not in ("text", "word", "time", "day") and not self.is_pair


@dataclass(frozen=True)
class Table:
    """A table: its mart, its columns, the name of its download and a description for the blind.

    ``folded`` is the label under which the dashboard hides it. The report leaves a detail out, and
    shows ``printed`` rows at most.
    """

    mart: str
    columns: Mapping[str, Column]
    name: str
    alt: str
    folded: str = ""
    is_detail: bool = False
    printed: int = 60


@dataclass(frozen=True)
class Figure:
    """A number, the text beside it, and where it is defined: a mart's column, or in words."""

    label: str
    value: str
    beside: str = ""
    of: str | None = None
    about: str | None = None


class Surface(Protocol):
    """A page or a report, with the means that both have. Texts are plain."""

    def ask(self, question: str, asked: Asked, **others: Any) -> list[Row]:
        """The rows that answer a question; raise MartError if there is no answer."""

    def figures(self, figures: Sequence[Figure]) -> None:
        """Numbers in a row of cards."""

    def say(self, text: str) -> None:
        """A remark."""

    def point(self, text: str, page: str, title: str) -> None:
        """An answer, and the section of a page that has more about it."""

    def warn(self, text: str) -> None:
        """A remark that somebody must act on."""

    def empty(self, text: str) -> None:
        """Why there is nothing to show."""

    def charts(self, charts: Sequence[tuple[Chart, str]], rows: Sequence[Row], name: str) -> None:
        """Charts with their descriptions, side by side where they fit, and a download of rows."""

    def table(self, table: Table, rows: Sequence[Row], currency: str | None = UNNAMED) -> None:
        """A table; ``currency`` is that of its money."""


@dataclass(frozen=True)
class Section:
    """A part of a page and of the report, the marts that it reads and the questions that it asks.

    Two sections that are a half stand side by side where there is room.
    """

    title: str
    marts: tuple[str, ...]
    questions: tuple[str, ...]
    draw: Callable[[Surface, Asked], None]
    is_half: bool = False
    has_money: bool = False
