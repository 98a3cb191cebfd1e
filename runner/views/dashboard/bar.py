"""The filter bar: the same on every page, and in the address."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, timedelta
from typing import Any

import streamlit as st

from runner.views.asked import WINDOWS, Asked, Choices, Period, choices
from runner.views.dashboard import data
from runner.views.dashboard.wording import day, escaped

WIDTH = 262
"""Width of a choice, in pixels."""


def asked() -> Asked:
    """Draw the bar, and read it."""
    has = choices(data.rows)
    with st.container(horizontal=True, vertical_alignment="top", gap="small"):
        tell_unknown("window", list(WINDOWS), "window")
        window = st.segmented_control(
            "Period",
            list(WINDOWS),
            default="All",
            required=True,
            key="window",
            bind="query-params",
            help="Days up to the last closed one in the data. Chosen days take its place.",
        )
        days = days_of(has)
        account = has.accounts[0]
        if len(has.accounts) > 1:
            names = [str(each) for each in has.accounts]
            tell_unknown("account", names, "account")
            chosen = st.selectbox(
                "Account",
                names,
                key="account",
                bind="query-params",
                width=WIDTH,
                help=data.description("performance.source_performance.account"),
            )
            account = has.accounts[names.index(chosen)]
        symbols = _several("symbol", "Symbols", has.symbols)
        sources = _several("source", "Sources", has.sources)
    made = Asked(has, account, symbols, sources, str(window), days)
    if made.chosen:
        st.markdown(f":small[Shown: **{escaped(str(made))}**]")
    return made


def tell_unknown(key: str, options: Sequence[str], what: str) -> None:
    """Keep a note of a link's values that are no options; call it before the filter is drawn.

    Streamlit removes such a value from the address when it draws the filter, so the next run,
    which may come at once, no longer has it. The note stays until another page is opened or the
    filter is used.
    """
    unknown = [name for name in st.query_params.get_all(key) if name and name not in options]
    if unknown:
        names = ", ".join(escaped(repr(name[:60])) for name in unknown)
        has = f" There are {escaped(', '.join(options))}." if 0 < len(options) <= 6 else ""
        remember(key, f"There is no {what} {names} in the marts.{has}")
    elif st.query_params.get_all(key):
        st.session_state.get("_notes", {}).pop(key, None)


def remember(key: str, wrong: str) -> None:
    """Keep a note of a link's parameter that is wrong."""
    st.session_state.setdefault("_notes", {})[key] = wrong


def tell_notes(place: Any) -> None:
    """Show the notes, those of a page's own filters too."""
    for note in st.session_state.get("_notes", {}).values():
        place.warning(note)


def forget_notes_of_other_pages(title: str) -> None:
    """Start again if another page is opened."""
    if st.session_state.get("_page") != title:
        st.session_state["_page"] = title
        st.session_state["_notes"] = {}


def _several(key: str, label: str, options: list[str]) -> tuple[str, ...]:
    tell_unknown(key, options, key)
    chosen = st.multiselect(
        label,
        options,
        key=key,
        bind="query-params",
        placeholder=f"All {label.lower()}",
        width=WIDTH,
    )
    return tuple(chosen)


def days_of(has: Choices, key: str = "day", label: str = "Days (UTC)") -> Period | None:
    """The days that are chosen with this key; None without a choice."""
    # The day after the last closed one is open: signals may be of it.
    first, last = date(1970, 1, 1), date(2999, 12, 31)
    if has.days is not None:
        first, last = has.days.first, has.days.last + timedelta(days=1)
    texts = [text for text in st.query_params.get_all(key) if text]
    if texts and not (len(texts) <= 2 and all(_is_day(text, first, last) for text in texts)):
        remember(
            key,
            f"{escaped(' to '.join(texts)[:60])} are no days of the data, which has "
            f"{escaped(f'{day(first)} to {day(last)}')}\\. All days are shown.",
        )
    elif texts:
        st.session_state.get("_notes", {}).pop(key, None)
    nothing: Any = ()
    chosen: Any = st.date_input(
        label,
        value=nothing,
        min_value=first,
        max_value=last,
        format="YYYY-MM-DD",
        key=key,
        bind="query-params",
        width=WIDTH,
    )
    if not isinstance(chosen, tuple) or not chosen:
        return None
    return Period(min(chosen), max(chosen))


def _is_day(text: str, first: date, last: date) -> bool:
    try:
        return first <= date.fromisoformat(text) <= last
    except ValueError:
        return False
