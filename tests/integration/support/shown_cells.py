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
from runner.views.sections import journal, money

Rows = list[list[str]]


def cells(proto: Any) -> Rows:
    """The text of each cell of a dashboard's table."""
    found = convert_arrow_bytes_to_pandas_df(proto.arrow_data.styler.display_values)
    return [[str(value) for value in row] for row in found.to_numpy().tolist()]


def shown_by_page(drawn: AppTest) -> tuple[Rows, list[Rows]]:
    """The figures of a page, and its tables without those that a report leaves out.

    These are that of all days, the list of trades and the orders of one.
    """
    figures = [[each.label, each.value, each.delta or ""] for each in drawn.metric]
    left_out = {list(tables.DAYS.columns)[-1], "trade_id", "filled_price"}
    return figures, [
        cells(each.proto) for each in drawn.dataframe if not left_out & set(each.value)
    ]


SECTIONS = {"performance": money.SECTIONS, "journal": journal.SECTIONS}


def shown_by_report(database: Database, wanted: Wanted, page: str) -> tuple[Rows, list[Rows]]:
    """The same of the report's sections of a page."""
    with connect(database, LIMITS) as marts, reading(marts):
        draft = Draft(marts, database)
        draft.draw(SECTIONS[page], asked_for(wanted, choices(draft.rows))[0])
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
