"""Parts of the pages: filters, states, figures, tables and downloads."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Any

import streamlit as st

from runner.views.charts import Chart
from runner.views.dashboard import data
from runner.views.dashboard.accounts import Account
from runner.views.dashboard.marts import (
    MartError,
    MissingMartError,
    NotDeployedError,
    Row,
    UnreachableError,
)
from runner.views.dashboard.wording import (
    MONEY,
    PRICE,
    QUANTITY,
    UNDEFINED,
    UNNAMED,
    day,
    decimals_of,
    escaped,
    exactly,
    in_currency,
)

RETRY_SECONDS = 5
REFRESH_SECONDS = 60
WINDOWS = ("all", "365d", "90d", "30d")
AMOUNTS = {"money": MONEY, "price": PRICE, "quantity": QUANTITY}


# --- states -----------------------------------------------------------------------------------


@contextmanager
def section(title: str, about: str | None = None) -> Iterator[None]:
    """A part of a page; if its marts cannot be read, it says so and the other parts go on.

    ``about`` is the mart whose description the question mark shows.
    """
    if title:
        st.header(title, help=data.description(about) if about else None, anchor=False)
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


# --- filters ----------------------------------------------------------------------------------


@dataclass(frozen=True)
class Filters:
    """A page's filters; None is all. ``last`` is the last day, included."""

    symbols: list[str] | None = None
    models: list[str] | None = None
    first: date | None = None
    last: date | None = None

    def names(self) -> dict[str, Any]:
        return {"symbols": self.symbols, "models": self.models}

    def days(self) -> dict[str, Any]:
        return {"first": self.first, "last": self.last}

    def times(self) -> dict[str, Any]:
        """The days as moments, the last one excluded."""
        after = self.last + timedelta(days=1) if self.last else None
        return {"first": _midnight(self.first), "last": _midnight(after)}

    def spoken(self) -> str:
        """The days in words."""
        if self.first is None:
            return "all days"
        return f"{day(self.first)} to {day(self.last)}"


def filters(*, symbols: bool = False, models: bool = False, days: bool = False) -> Filters:
    """Draw the filters that a page has, and read them; links carry them as query parameters."""
    columns = iter(st.columns(symbols + models + days, vertical_alignment="top"))
    chosen_days = _days(next(columns)) if days else (None, None)
    chosen_symbols = (
        _choice(next(columns), "symbol", "Symbols", data.all_symbols()) if symbols else None
    )
    chosen_models = (
        _choice(next(columns), "model", "Models", [row["model"] for row in data.rows("models")])
        if models
        else None
    )
    return Filters(chosen_symbols, chosen_models, *chosen_days)


def remember_wrong(key: str, wrong: str) -> None:
    """Keep a link's wrong parameters; call it before the filter is drawn.

    Streamlit removes such a parameter from the address when it draws the filter, so the next run,
    which may come at once, no longer has it.
    """
    st.session_state.setdefault("_notes", {})[key] = wrong


def tell_wrong(key: str, *, has_choice: bool, place: Any = st) -> None:
    """Show the message until another choice is made or another page is opened."""
    notes: dict[str, str] = st.session_state.setdefault("_notes", {})
    if has_choice:
        notes.pop(key, None)
    if key in notes:
        place.warning(notes[key])


def forget_notes_of_other_pages(title: str) -> None:
    """Start again if another page is opened."""
    if st.session_state.get("_page") != title:
        st.session_state["_page"] = title
        st.session_state["_notes"] = {}


def _choice(place: Any, key: str, label: str, options: list[str]) -> list[str] | None:
    unknown = [name for name in st.query_params.get_all(key) if name and name not in options]
    if unknown:
        names = ", ".join(escaped(repr(name[:60])) for name in unknown)
        remember_wrong(key, f"There is no {label.lower()[:-1]} {names} in the marts.")
    chosen = place.multiselect(
        label, options, key=key, bind="query-params", placeholder=f"All {label.lower()}"
    )
    tell_wrong(key, has_choice=bool(chosen), place=place)
    return chosen or None


def _days(place: Any) -> tuple[date | None, date | None]:
    asked = [text for text in st.query_params.get_all("day") if text]
    if asked and not (len(asked) <= 2 and all(map(_is_day, asked))):
        remember_wrong(
            "day",
            f"{escaped(' to '.join(asked)[:60])} are not two days, written as 2025\\-01\\-31. "
            "All days are shown.",
        )
    chosen = place.date_input(
        "Days (UTC)",
        value=(),
        # Any day may be chosen; a page says if there are no rows.
        min_value=date(1970, 1, 1),
        max_value=date(2999, 12, 31),
        format="YYYY-MM-DD",
        key="day",
        bind="query-params",
    )
    tell_wrong("day", has_choice=bool(chosen), place=place)
    if not isinstance(chosen, tuple) or not chosen:
        return None, None
    return min(chosen), max(chosen)


def _is_day(text: str) -> bool:
    try:
        date.fromisoformat(text)
    except ValueError:
        return False
    return True


def _midnight(value: date | None) -> datetime | None:
    return None if value is None else datetime(value.year, value.month, value.day, tzinfo=UTC)


def window() -> str:
    """The window of the metrics."""
    chosen = st.segmented_control(
        "Window",
        WINDOWS,
        default="all",
        required=True,
        key="window",
        bind="query-params",
        help=data.description("performance.source_performance.window_name"),
    )
    return str(chosen)


def account() -> Account:
    """The account of the page's money, at first all of the currency with most trades."""
    found = [Account(**row) for row in data.rows("accounts")] or [Account()]
    if len(found) == 1:
        return found[0]
    names = [str(each) for each in found]
    asked = st.query_params.get("account", "")
    if asked and asked not in names:
        remember_wrong("account", f"There is no account {escaped(repr(asked[:60]))} in the marts.")
    chosen = st.selectbox(
        "Account",
        names,
        key="account",
        bind="query-params",
        width=240,
        help=data.description("performance.source_performance.account"),
    )
    tell_wrong("account", has_choice=chosen != names[0])
    return found[names.index(chosen)]


# --- figures, tables, downloads ---------------------------------------------------------------


@contextmanager
def row_of_cards() -> Iterator[None]:
    """Cards side by side, as many as fit."""
    with st.container(horizontal=True, gap="small"):
        yield


def figure(
    label: str,
    value: str,
    *,
    beside: str | None = None,
    column: str | None = None,
    about: str | None = None,
) -> None:
    """A number in a card, the text beside it, and its definition behind the question mark."""
    st.metric(
        label,
        value,
        delta=beside,
        delta_color="off",
        delta_arrow="off",
        help=about or (data.description(column) if column else None),
        border=True,
        width="stretch",
        height="stretch",
    )


def remark(text: str) -> None:
    """A small line of Markdown beside a figure or a chart."""
    st.markdown(f":small[{text}]")


def chart(made: Chart, alt: str) -> None:
    """A chart as wide as the page; ``alt`` describes it for readers who cannot see it."""
    st.altair_chart(made, width="stretch", alt=alt)


@dataclass(frozen=True)
class Column:
    """How a column of a table is shown.

    ``kind`` is number, money, price, quantity, percent (of a share), share (the same as a bar from
    0 to 1), time, day, link or text; ``form`` is Streamlit's format of a number or a link. ``of``
    is the mart's column that describes it; by default the table's mart has a column of the same
    name.
    """

    label: str
    kind: str = "text"
    form: str | None = None
    of: str | None = None
    about: str | None = None


def table(
    rows: Sequence[Row],
    columns: Mapping[str, Column],
    *,
    mart: str,
    name: str,
    alt: str,
    currency: str = UNNAMED,
) -> None:
    """Rows as a table with each column's definition at its head, and a download of them.

    ``currency`` is that of columns of money.
    """
    shown = [{key: row.get(key) for key in columns} for row in rows]
    st.dataframe(
        [{key: _scaled(value, columns[key].kind) for key, value in row.items()} for row in shown],
        hide_index=True,
        column_config={
            key: _configured(key, column, mart, currency, [row[key] for row in shown])
            for key, column in columns.items()
        },
        placeholder=UNDEFINED,
        alt=alt,
        height="content" if len(shown) <= 12 else 455,
    )
    download(shown, name)


def _scaled(value: Any, kind: str) -> Any:
    return 100 * value if kind in ("share", "percent") and value is not None else value


def _configured(key: str, column: Column, mart: str, currency: str, values: Sequence[Any]) -> Any:
    about = column.about or data.description(column.of or f"{mart}.{key}")
    kinds = st.column_config
    if column.kind == "number":
        return kinds.NumberColumn(column.label, help=about, format=column.form or "localized")
    if column.kind in AMOUNTS:
        decimals = decimals_of(values, *AMOUNTS[column.kind])
        label = in_currency(column.label, currency) if column.kind == "money" else column.label
        return kinds.NumberColumn(label, help=about, format=f"%,.{decimals}f")
    if column.kind == "percent":
        return kinds.NumberColumn(column.label, help=about, format="%.1f%%")
    if column.kind == "share":
        return kinds.ProgressColumn(
            column.label, help=about, format="%.0f%%", min_value=0, max_value=100
        )
    if column.kind == "time":
        return kinds.DatetimeColumn(
            f"{column.label} (UTC)", help=about, format="YYYY-MM-DD HH:mm", timezone="UTC"
        )
    if column.kind == "day":
        return kinds.DateColumn(column.label, help=about, format="YYYY-MM-DD")
    if column.kind == "link":
        return kinds.LinkColumn(column.label, help=about, display_text=column.form)
    return kinds.TextColumn(column.label, help=about)


def download(rows: Sequence[Row], name: str) -> None:
    """A button that gives these rows as a CSV file."""
    if rows:
        st.download_button(
            "Download CSV",
            as_csv(rows),
            file_name=f"{name}.csv",
            mime="text/csv",
            icon=":material/download:",
            type="tertiary",
            on_click="ignore",
            key=f"download {name}",
        )


def as_csv(rows: Sequence[Row]) -> str:
    """Rows as CSV, times in ISO 8601.

    A text that a spreadsheet would take for a formula gets an apostrophe before it.
    """
    out = io.StringIO()
    writer = csv.DictWriter(out, list(rows[0]), lineterminator="\n")
    writer.writeheader()
    writer.writerows({key: _cell(value) for key, value in row.items()} for row in rows)
    return out.getvalue()


def _cell(value: Any) -> Any:
    if isinstance(value, datetime):
        return value.isoformat()
    if isinstance(value, str) and value.startswith(("=", "+", "-", "@", "\t", "\r")):
        return f"'{value}"
    # No exponent: a small amount is read as a number everywhere.
    return f"{exactly(value):f}" if isinstance(value, float) else value
