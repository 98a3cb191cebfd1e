"""Operations: whether builds run and replication applies."""

from __future__ import annotations

import streamlit as st

from runner.views import tables
from runner.views.asked import Asked
from runner.views.dashboard import bar, data, parts
from runner.views.dashboard.wording import moment
from runner.views.sections import operations


def page(asked: Asked) -> None:
    """Draw the page."""
    parts.contents([*(each.title for each in operations.SECTIONS), "One build"])
    parts.draw(operations.SECTIONS, asked)
    with parts.section("One build", "operations.build_history"):
        found = {row["build_id"]: row for row in operations.builds(parts.SURFACE, asked)}
        if not found:
            st.info("No build yet.")
            return
        bar.tell_unknown("build", list(found), "build")
        chosen = st.selectbox(
            "Build",
            list(found),
            format_func=lambda build: (
                f"{moment(found[build]['started_at'])}, {found[build]['result']}"
            ),
            key="build",
            bind="query-params",
            width=340,
        )
        parts.show(tables.BUILD_NODES, data.rows("build_nodes", build_id=chosen))
