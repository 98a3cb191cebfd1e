"""Now: the ensemble's decision for each symbol, the experts that agree, and their age."""

from __future__ import annotations

import html
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import streamlit as st

from runner.views import charts, tables
from runner.views.asked import Asked
from runner.views.dashboard import bar, data, parts
from runner.views.dashboard.marts import MartError, Row, UnreachableError
from runner.views.dashboard.wording import (
    ARROWS,
    UNDEFINED,
    duration,
    escaped,
    leaning,
    moment,
    price,
    share,
)
from runner.views.sections import ensemble, glance, operations
from runner.views.surface import Figure, Table
from runner.words import plural

CARDS = 12
BARS = 120
LISTED = 20
_LATEST = "Latest signals"
_UNITS = {"m": 60, "h": 3600, "d": 86400, "w": 604800}


def page(asked: Asked) -> None:
    """Draw the page."""
    decided, *others = ensemble.SECTIONS
    sections = (decided, glance.SECTION, *others)
    parts.contents([*(each.title for each in sections), _LATEST])
    _freshness(_decisions(asked))
    parts.draw(sections, asked, lambda: _cards(asked))
    with parts.section(_LATEST, "ensemble.signal_confluence"):
        found = data.signals(asked, LISTED)
        if not found:
            parts.SURFACE.empty(
                f"No signals in this choice ({asked})."
                if asked.chosen
                else "No signals yet. The AI modules write them to the primary."
            )
            return
        signals_table(found)


def signals_table(
    found: list[Row], table: Table = tables.SIGNALS, every: Callable[[], list[Row]] | None = None
) -> None:
    """Signals of which a click opens the story, in this tab and under these filters."""
    parts.SURFACE.say("Click a signal for its story.")
    parts.show(table, found, pick=_pick, every=every)


def _pick(row: Row) -> None:
    st.session_state["_picked"] = row["signal_id"]


def _decisions(asked: Asked) -> list[Row]:
    try:
        return ensemble.decisions(parts.SURFACE, asked)
    except UnreachableError:
        raise
    except MartError:
        return []  # The section of decisions says so.


# --- freshness --------------------------------------------------------------------------------


def _freshness(decisions: list[Row]) -> None:
    now = datetime.now(UTC)
    newest = max((row["decided_at"] for row in decisions), default=None)
    build = _only("builds")
    replication = _only("replication")
    started = build and build["started_at"]
    parts.SURFACE.figures(
        [
            Figure(
                "Newest decision",
                UNDEFINED if newest is None else f"{duration(now - newest)} ago",
                moment(newest),
                about="The close of the newest bar that the ensemble decided on.",
            ),
            Figure(
                "Last build",
                f"{duration(now - started)} ago" if started else UNDEFINED,
                _build(build),
                about="When the marts were last built, as operations.build_history has it.",
            ),
            Figure(
                "Replication",
                _lag(replication),
                _applying(replication),
                about="When the replica last heard from the primary, and how its subscription is.",
            ),
        ]
    )
    if newest is not None:
        _tell_if_stale(now, newest, max(_length(row["timeframe"]) for row in decisions))
    if build and build["failures"]:
        st.warning(
            f"**The last build had {plural(build['failures'], 'failure')}.** What they touch is as "
            "old as the build before; see Operations."
        )


def _only(question: str) -> Row | None:
    """The first row, or None if the mart is missing: the other cards are still shown."""
    try:
        found = data.rows(question)
    except UnreachableError:
        raise
    except MartError:
        return None
    return found[0] if found else None


def _tell_if_stale(now: datetime, newest: datetime, bar: timedelta) -> None:
    # Three bars allow for a bar's close, replication and a build; half an hour for a schedule.
    if now - newest > max(3 * bar, timedelta(minutes=30)):
        st.warning(
            f"**Stale.** The newest decision is {duration(now - newest)} old, and a bar is "
            f"{duration(bar)} long: what is shown is how things were on {escaped(moment(newest))}."
        )


def _length(timeframe: str) -> timedelta:
    """The length of a bar, such as 15m or 4h; an hour where it is not known."""
    amount, unit = timeframe[:-1], timeframe[-1:]
    seconds = int(amount) * _UNITS[unit] if amount.isdigit() and unit in _UNITS else 3600
    return timedelta(seconds=seconds)


def _build(build: Row | None) -> str:
    if build is None:
        return "no build history yet"
    if build["failures"]:
        return plural(build["failures"], "failure")
    return f"{plural(build['models_built'], 'model')}, {operations.tested(build)}: no failure"


def _lag(replication: Row | None) -> str:
    heard = replication and replication["last_message_received_at"]
    return f"{duration(replication['now'] - heard)} ago" if replication and heard else UNDEFINED


def _applying(replication: Row | None) -> str:
    if replication is None:
        return "not known yet"
    if not replication["is_enabled"]:
        return "disabled"
    if not replication["is_applying"]:
        return "not applying"
    ready, tables = replication["tables_ready"], replication["tables"]
    return f"applying, {ready} of {tables} tables ready"


# --- decisions --------------------------------------------------------------------------------


def _cards(asked: Asked) -> None:
    decisions = ensemble.decisions(parts.SURFACE, asked)
    if not decisions:
        return
    shown = [row["symbol"] for row in decisions[:CARDS]]
    recent = data.rows("decisions", symbols=shown, count=BARS)
    with st.container(horizontal=True, gap="small"):
        for row in decisions[:CARDS]:
            _card(row, [r for r in recent if r["symbol"] == row["symbol"]])
    symbols = [row["symbol"] for row in decisions]
    bar.tell_unknown("of", symbols, "symbol")
    chosen = st.selectbox("Chart of", symbols, key="of", bind="query-params", width=240)
    line = [r for r in recent if r["symbol"] == chosen] or data.rows(
        "decisions", symbols=[chosen], count=BARS
    )
    parts.SURFACE.charts(
        [
            (
                charts.price_of(line),
                f"Price of {chosen} over its last {len(line)} closes, and the changes of decision",
            )
        ],
        [],
        "",
    )
    parts.SURFACE.charts(
        [(charts.probability_of(line), f"The ensemble's P(up) of {chosen} at the same closes")],
        line,
        "decisions_of_symbol",
    )


def _card(row: Row, recent: list[Row]) -> None:
    colour = charts.DIRECTIONS[row["decision"]]
    agree, dissent = "agree", "dissent"
    if row["decision"] == "HOLD":  # Nobody agrees with it: its experts lean up or down.
        agree, dissent = "lean up", "lean down"
        if (row["probability_up"] or 0) < 0.5:
            agree, dissent = dissent, agree
    _, _, leans = leaning(row["decision"], row["probability_up"]).partition(", ")
    with st.container(border=True, width=362, height="stretch", gap="xsmall"):
        st.html(
            f"<div>{html.escape(row['symbol'])} · {price(row['close_price'])}</div>"
            "<div style='font-size: 1.7rem; font-weight: 700; line-height: 1.3'>"
            f"<span style='color: {colour}'>{ARROWS[row['decision']]}</span> {row['decision']}"
            "<span style='font-size: 1rem; font-weight: 400'> · "
            f"{leans + ', ' if leans else ''}P(up) {share(row['probability_up'])}</span></div>"
        )
        st.altair_chart(
            charts.spark(recent),
            width="stretch",
            alt=f"Price of {row['symbol']} over its last {len(recent)} closes",
        )
        st.markdown(
            f"Weighted consensus **{share(row['agreement'])}**, {row['active']} active  \n"
            f"{agree}: {escaped(row['agree'])}  \n"
            f"{dissent}: {escaped(row['dissent'])}"
        )
