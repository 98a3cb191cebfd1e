"""Parts of the pages: states, sections, figures, tables and downloads."""

from __future__ import annotations

import csv
import html
import io
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from datetime import datetime
from typing import Any
from urllib.parse import urlencode

import pandas as pd
import streamlit as st

from runner.views.asked import Asked
from runner.views.charts import Chart
from runner.views.dashboard import data
from runner.views.dashboard.marts import (
    MartError,
    MissingMartError,
    NotDeployedError,
    Row,
    UnreachableError,
)
from runner.views.dashboard.wording import UNDEFINED, UNNAMED, anchor, escaped, exactly
from runner.views.surface import Column, Figure, Section, Table

RETRY_SECONDS = 5
REFRESH_SECONDS = 60
ABREAST = 3
"""Charts side by side, at most."""
WIDEST = 440
"""Width of a column that is made wider than the browser would, in pixels, at most."""
KEPT = ("window", "day", "account", "symbol", "source")
"""The filters in the address that all pages have."""
# The charts above a section have no height yet when a link from another page arrives at it.
_LANDING = """<script>
if (!window.hasLanded) {
  window.hasLanded = true;
  const land = () => document.getElementById(location.hash.slice(1))?.scrollIntoView();
  const landing = location.hash ? setInterval(land, 250) : 0;
  const stop = () => clearInterval(landing);
  setTimeout(stop, 10000);
  for (const moved of ["wheel", "touchstart", "pointerdown", "keydown"])
    addEventListener(moved, stop, { once: true });
}
</script>"""


# --- states -----------------------------------------------------------------------------------


@contextmanager
def section(title: str, about: str | None = None) -> Iterator[None]:
    """A part of a page; if its marts cannot be read, it says so and the other parts go on.

    ``about`` is the mart whose description the question mark shows.
    """
    if title:
        st.header(title, anchor=anchor(title), help=data.description(about) if about else None)
    try:
        yield
    except UnreachableError:
        raise
    except MissingMartError as error:
        _ask_again_soon()
        st.info(f"**Not there yet.** {escaped(error.text)}; {escaped(error.mend)}.")
    except MartError as error:
        _ask_again_soon()
        st.warning(f"**No answer.** {escaped(error.text)}; {escaped(error.mend)}.")


def unreachable(error: UnreachableError) -> None:
    """The page for a database that cannot be reached; it disappears by itself."""
    _ask_again_soon()
    told = f"{escaped(error.text)}; {escaped(error.mend)}. "
    told += f"This page tries again every {RETRY_SECONDS} seconds."
    if isinstance(error, NotDeployedError):
        st.info(f"**Nothing to see yet.** {told}")
    else:
        st.error(f"**The marts cannot be read.** {told}")


def _ask_again_soon() -> None:
    st.session_state["_is_troubled"] = True


def keep_fresh() -> None:
    """Draw the page again after a while, sooner where something could not be read."""
    is_troubled = st.session_state.pop("_is_troubled", False)
    st.session_state["_is_drawn"] = True
    seconds = RETRY_SECONDS if is_troubled else REFRESH_SECONDS
    st.fragment(_beat, run_every=seconds)()


def _beat() -> None:
    # Drawn once with the page; after that, each beat is a reason to draw the page again.
    if not st.session_state.pop("_is_drawn", False):
        st.rerun()


# --- sections ---------------------------------------------------------------------------------


def contents(titles: Iterable[str]) -> None:
    """Links to the sections of this page."""
    links = (f"[{escaped(title)}](#{anchor(title)})" for title in titles)
    st.markdown(f":small[{' · '.join(links)}]")
    st.html(_LANDING, unsafe_allow_javascript=True)


def draw(
    sections: Iterable[Section], asked: Asked, first: Callable[[], None] | None = None
) -> None:
    """Sections one below the other, two halves side by side; ``first`` begins the first one."""
    halves: list[Any] = []
    for each in sections:
        halves = (halves or list(st.columns(2, gap="large"))) if each.is_half else []
        with halves.pop(0) if halves else st.container(), section(each.title, each.marts[0]):
            if missed := asked.not_followed(each.questions):
                SURFACE.say(missed)
            if first:
                first()
            each.draw(SURFACE, asked)
        first = None


class Page:
    """A page as what sections draw on."""

    def ask(self, question: str, asked: Asked, **others: Any) -> list[Row]:
        return data.rows(question, **asked.parameters() | others)

    def figures(self, figures: Sequence[Figure]) -> None:
        with st.container(horizontal=True, gap="small"):
            for each in figures:
                st.metric(
                    each.label,
                    each.value,
                    delta=each.beside or None,
                    delta_color="off",
                    delta_arrow="off",
                    help=each.about or (data.description(each.of) if each.of else None),
                    border=True,
                    width="stretch",
                    height="stretch",
                )

    def say(self, text: str) -> None:
        st.markdown(f":small[{escaped(text)}]")

    def point(self, text: str, page: str, title: str) -> None:
        # Streamlit's links open another tab; the filters of all pages go along.
        kept = {name: st.query_params.get_all(name) for name in KEPT if name in st.query_params}
        filters = f"?{urlencode(kept, doseq=True)}" if kept else ""
        address = "" if page == "Now" else f"{page.lower()}{filters}"
        address += f"#{anchor(title)}"
        link = f"<a style='color: inherit' href='{html.escape(address)}'>"
        link += f"{html.escape(f'{page}: {title}')}</a>"
        st.html(f"<span style='font-size: 0.875rem'>{html.escape(text)} {link}</span>")

    def warn(self, text: str) -> None:
        st.warning(escaped(text))

    def empty(self, text: str) -> None:
        st.info(escaped(text))

    def charts(self, charts: Sequence[tuple[Chart, str]], rows: Sequence[Row], name: str) -> None:
        for at in range(0, len(charts), ABREAST):
            abreast = charts[at : at + ABREAST]
            places = st.columns(min(ABREAST, len(charts)), gap="large")
            for place, (chart, alt) in zip(places, abreast, strict=False):
                with place:
                    st.altair_chart(chart, width="stretch", alt=alt)
        download(rows, name)

    def table(self, table: Table, rows: Sequence[Row], currency: str | None = UNNAMED) -> None:
        if table.folded:
            with st.expander(table.folded):
                show(table, rows, currency=currency)
        else:
            show(table, rows, currency=currency)


SURFACE = Page()


def card(step: str, headline: str, *lines: str) -> None:
    """A step of a story: its name, what happened, and more about it, in Markdown."""
    with st.container(border=True, height="stretch", gap="xsmall"):
        st.markdown(f":small[{step}]  \n**{headline}**")
        st.markdown("  \n".join(f":small[{line}]" for line in lines))


# --- tables and downloads ---------------------------------------------------------------------


def named(table: Table, rows: Sequence[Row]) -> Table:
    """The table without names of accounts, currencies and tags that no row has."""
    names = ("account", "currency", "executed_currency", "entry_tag", "exit_reason")
    columns = {
        name: column
        for name, column in table.columns.items()
        if name not in names or any(row.get(name) not in (None, UNNAMED) for row in rows)
    }
    return replace(table, columns=columns)


def show(
    table: Table,
    rows: Sequence[Row],
    *,
    currency: str | None = UNNAMED,
    pick: Callable[[Row], None] | None = None,
    every: Callable[[], Sequence[Row]] | None = None,
) -> None:
    """A table with each column's definition at its head, and a download of its rows.

    Cells read as in the report and sort as numbers. A click calls ``pick`` with its row. ``every``
    asks for all rows of the download, where the table has the newest only.
    """
    columns = table.columns
    shown = pd.DataFrame(
        [[_cell(row.get(name), column) for name, column in columns.items()] for row in rows],
        columns=list(columns),
        dtype=object,
    )
    key = f"table {table.name}"

    picking: dict[str, Any] = {}
    if pick:

        def picked() -> None:
            for at, _ in st.session_state[key].selection.cells:
                pick(rows[at])

        picking = {"on_select": picked, "selection_mode": "single-cell", "key": key}
    st.dataframe(
        shown.style.format({name: each.told for name, each in columns.items() if not each.is_pair}),
        hide_index=True,
        column_config={
            name: _configured(table, name, column, currency, rows, is_first=at == 0)
            for at, (name, column) in enumerate(columns.items())
        },
        placeholder=UNDEFINED,
        alt=table.alt,
        height="content" if len(rows) <= 13 else 455,
        **picking,
    )
    download(rows, table.name, every)


def _cell(value: Any, column: Column) -> Any:
    return column.told(value) if column.is_pair else value


def _configured(
    table: Table,
    name: str,
    column: Column,
    currency: str | None,
    rows: Sequence[Row],
    *,
    is_first: bool,
) -> Any:
    about = column.about or data.description(column.of or f"{table.mart}.{name}")
    kinds = st.column_config
    kind = kinds.NumberColumn if column.is_number else kinds.TextColumn
    # The browser leaves cells of more than twice the mean width out as it fits a column, and cuts
    # them: of "–" and a few words, these.
    shown = () if column.is_number else rows
    widths = [16 + 7 * len(column.told(row.get(name))) for row in shown]
    is_cut = widths and max(widths) > 2 * sum(widths) / len(widths)
    width = min(max(widths) + 8, WIDEST) if is_cut else None
    return kind(column.heading(currency), help=about, pinned=is_first, width=width)


def download(
    rows: Sequence[Row], name: str, every: Callable[[], Sequence[Row]] | None = None
) -> None:
    """A button that gives these rows as a CSV file, or ``every`` one that is then asked for."""
    if rows:
        st.download_button(
            "Download CSV",
            (lambda: as_csv(every())) if every else as_csv(rows),
            file_name=f"{name}.csv",
            mime="text/csv",
            icon=":material/download:",
            type="tertiary",
            on_click="ignore",
            key=f"download {name}",
        )


def as_csv(rows: Sequence[Row]) -> str:
    """Rows as CSV: all that was read, times in ISO 8601, an interval as two numbers.

    A text that a spreadsheet would take for a formula gets an apostrophe before it.
    """
    out = io.StringIO()
    names = dict.fromkeys(name for row in rows for name, _ in _flat(row))
    writer = csv.DictWriter(out, list(names), lineterminator="\n")
    writer.writeheader()
    writer.writerows(dict(_flat(row)) for row in rows)
    return out.getvalue()


def _flat(row: Row) -> Iterator[tuple[str, Any]]:
    for name, value in row.items():
        if isinstance(value, tuple) or name.endswith("_95"):
            low, high = value or (None, None)
            yield f"{name}_low", _plain(low)
            yield f"{name}_high", _plain(high)
        else:
            yield name, _plain(value)


def _plain(value: Any) -> Any:
    if isinstance(value, datetime):
        return value.isoformat()
    if isinstance(value, str) and value.startswith(("=", "+", "-", "@", "\t", "\r")):
        return f"'{value}"
    # No exponent: a small amount is read as a number everywhere.
    return f"{exactly(value):f}" if isinstance(value, float) else value
