"""What the tables of a page and of a report show, cell by cell."""

from __future__ import annotations

from typing import Any

from streamlit.dataframe_util import convert_arrow_bytes_to_pandas_df
from streamlit.testing.v1 import AppTest

from runner.servers.database import Database
from runner.views.asked import choices
from runner.views.dashboard.marts import LIMITS, connect, reading
from runner.views.report.draft import Cells, Draft
from runner.views.report.write import Wanted, asked_for
from runner.views.sections import money

Shown = dict[str, list[list[str]]]
"""By name of the table's columns: its rows. The figures are a table of their own."""


def cells(proto: Any) -> list[list[str]]:
    """The text of each cell of a dashboard's table."""
    found = convert_arrow_bytes_to_pandas_df(proto.arrow_data.styler.display_values)
    return [[str(value) for value in row] for row in found.to_numpy().tolist()]


def shown_by_page(drawn: AppTest, labels: list[str]) -> Shown:
    """The figures of a page, and those columns of its tables that a report has as well."""
    found = {"": [[each.label, each.value, each.delta or ""] for each in drawn.metric]}
    for frame, columns in zip(drawn.dataframe, map(str.split, labels), strict=True):
        at = [list(frame.value.columns).index(name) for name in columns]
        found[" ".join(columns)] = [[row[place] for place in at] for row in cells(frame.proto)]
    return found


def shown_by_report(database: Database, wanted: Wanted) -> Shown:
    """The same of a report's sections about money."""
    with connect(database, LIMITS) as marts, reading(marts):
        draft = Draft(marts, database)
        draft.draw(money.SECTIONS, asked_for(wanted, choices(draft.rows))[0])
    found: Shown = {"": []}
    for part in draft.parts:
        for kind, content in part.blocks:
            if kind == "figures":
                found[""] += [[each.label, each.value, each.beside] for each, _ in content]
            elif isinstance(content, Cells):
                found[f"{part.title}"] = content.rows
    return found
