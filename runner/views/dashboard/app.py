"""The dashboard's entry script, which Streamlit runs each time a page is drawn."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path

import streamlit as st

from runner.errors import SignalMartsError
from runner.views.asked import Asked
from runner.views.dashboard import bar, journal, models, now, operations, performance, signals
from runner.views.dashboard.marts import UnreachableError
from runner.views.dashboard.parts import keep_fresh, unreachable


def _page(draw: Callable[[Asked], None], title: str, path: str = "") -> st.Page:
    drawn = partial(_draw, draw)
    return st.Page(drawn, title=title, url_path=path or None, default=not path)


def _draw(draw: Callable[[Asked], None]) -> None:
    draw(st.session_state["_asked"])


SIGNALS = _page(signals.page, "Signals", "signals")
PAGES = [
    _page(now.page, "Now"),
    _page(performance.page, "Performance", "performance"),
    _page(journal.page, "Journal", "journal"),
    _page(models.page, "Models", "models"),
    SIGNALS,
    _page(operations.page, "Operations", "operations"),
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
    bar.forget_notes_of_other_pages(chosen.title)
    if (picked := st.session_state.pop("_picked", None)) is not None:
        if chosen.title != SIGNALS.title:
            st.switch_page(SIGNALS, query_params={"signal": str(picked)})
        st.session_state["signal"] = picked
    # Links of our own: Streamlit's are behind a button on a phone, and stay open over the page.
    with st.container(horizontal=True, gap="xsmall"):
        for each in PAGES:
            st.page_link(each)
    st.title(chosen.title, anchor=False)
    try:
        # Drawn here, the bar is the same one on every page, and keeps what was chosen.
        st.session_state["_asked"] = bar.asked()
        notes = st.container()
        chosen.run()
        bar.tell_notes(notes)
    except UnreachableError as error:
        unreachable(error)
    except SignalMartsError as error:
        st.error(str(error))
    keep_fresh()


main()
