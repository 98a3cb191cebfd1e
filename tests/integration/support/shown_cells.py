"""What a page and a report show, cell by cell."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from streamlit.dataframe_util import convert_arrow_bytes_to_pandas_df
from streamlit.testing.v1 import AppTest

from runner.servers.database import Database
from runner.views import tables
from runner.views.asked import choices
from runner.views.dashboard.marts import LIMITS, connect, reading
from runner.views.report.draft import Cells, Draft
from runner.views.report.write import Wanted, asked_for
from runner.views.sections import money

Rows = list[list[str]]


def cells(proto: Any) -> Rows:
    """The text of each cell of a dashboard's table."""
    found = convert_arrow_bytes_to_pandas_df(proto.arrow_data.styler.display_values)
    return [[str(value) for value in row] for row in found.to_numpy().tolist()]


def shown_by_page(drawn: AppTest) -> tuple[Rows, list[Rows]]:
    """The figures of a page, and its tables without that of all days, which a report leaves out."""
    figures = [[each.label, each.value, each.delta or ""] for each in drawn.metric]
    days = list(tables.DAYS.columns)[-1]
    return figures, [cells(each.proto) for each in drawn.dataframe if days not in each.value]


def shown_by_report(database: Database, wanted: Wanted) -> tuple[Rows, list[Rows]]:
    """The same of a report's sections about money."""
    with connect(database, LIMITS) as marts, reading(marts):
        draft = Draft(marts, database)
        draft.draw(money.SECTIONS, asked_for(wanted, choices(draft.rows))[0])
    blocks = [content for part in draft.parts for _, content in part.blocks]
    figures = [content for content in blocks if isinstance(content, list)]
    return (
        [
            [each[0].label, each[0].value, each[0].beside]
            for content in figures
            for each in content
            if not isinstance(each[0], int)  # a chart
        ],
        [content.rows for content in blocks if isinstance(content, Cells)],
    )


def is_part(few: Sequence[str], many: Sequence[str]) -> bool:
    """Whether a row of a report has cells of a page's row, in their order."""
    rest = iter(many)
    return all(cell in rest for cell in few)
