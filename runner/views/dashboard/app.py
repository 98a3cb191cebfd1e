"""The dashboard's entry script, which Streamlit runs each time a page is drawn."""

from __future__ import annotations

from pathlib import Path

import streamlit as st

from runner.errors import SignalMartsError
from runner.views.dashboard import models, now, operations, performance, signals
from runner.views.dashboard.marts import UnreachableError
from runner.views.dashboard.parts import forget_notes_of_other_pages, keep_fresh, unreachable

PAGES = [
    st.Page(now.page, title="Now", default=True),
    st.Page(performance.page, title="Performance", url_path="performance"),
    st.Page(models.page, title="Models", url_path="models"),
    st.Page(signals.page, title="Signals", url_path="signals"),
    st.Page(operations.page, title="Operations", url_path="operations"),
]


def main() -> None:
    # An icon of our own and no page icons: as a tab's icon, a browser loads these from elsewhere.
    icon = Path(__file__).with_name("icon.svg")
    chosen = st.navigation(PAGES, position="hidden")
    st.set_page_config(
        page_title=f"{chosen.title} · Signal Marts",
        page_icon=str(icon),
        layout="wide",
    )
    forget_notes_of_other_pages(chosen.title)
    # Links of our own: Streamlit's are behind a button on a phone, and stay open over the page.
    with st.container(horizontal=True, gap="xsmall"):
        for each in PAGES:
            st.page_link(each)
    try:
        chosen.run()
    except UnreachableError as error:
        unreachable(error)
    except SignalMartsError as error:
        st.error(str(error))
    keep_fresh()


main()
