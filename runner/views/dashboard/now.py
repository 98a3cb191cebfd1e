"""Now: the ensemble's decision for each symbol, the experts that agree, and their age."""

from __future__ import annotations

import html
from datetime import UTC, datetime, timedelta

import streamlit as st

from runner.views import charts
from runner.views.dashboard import data, parts
from runner.views.dashboard.marts import MartError, Row, UnreachableError
from runner.views.dashboard.parts import Column
from runner.views.dashboard.wording import (
    ARROWS,
    UNDEFINED,
    duration,
    escaped,
    moment,
    price,
    share,
)
from runner.words import plural

CARDS = 12
BARS = 120
RELATIONS = ("confirm", "contradict", "neutral", "no_pattern")
_UNITS = {"m": 60, "h": 3600, "d": 86400, "w": 604800}

SIGNALS = {
    "link": Column(
        "Signal", "link", form=r"signal=(\d+)", of="ensemble.signal_confluence.signal_id"
    ),
    "created_at": Column("Made", "time"),
    "symbol": Column("Symbol"),
    "model": Column("Model", of="ensemble.signal_confluence.model_name"),
    "signal_type": Column("Says"),
    "confidence": Column("Confidence", "share"),
    "relation": Column("Pattern"),
    "pattern_type": Column("Pattern type"),
    "order_count": Column("Orders", "number"),
    "last_order_status": Column("Last order"),
}


def page() -> None:
    """Draw the page."""
    st.title("Now", anchor=False)
    decisions: list[Row] | None = None
    with parts.section(""):
        decisions = data.rows("decisions_now")
    _freshness(decisions or [])
    if decisions:
        _decisions(decisions)
    elif decisions is not None:
        st.info(
            "**No decisions yet.** The ensemble decides at each bar's close, from the first signal "
            "or pattern on; run signal\\-marts build once there are some."
        )
    left, right = st.columns(2, gap="large")
    with left, parts.section("Do the patterns confirm?", "ensemble.signal_confluence"):
        _relations(data.rows("relations", symbols=data.all_symbols()))
    with right, parts.section("Who is listened to", "ensemble.expert_weights"):
        _weights(data.rows("expert_weights"))
    with parts.section("Latest signals", "ensemble.signal_confluence"):
        latest_signals()


# --- freshness --------------------------------------------------------------------------------


def _freshness(decisions: list[Row]) -> None:
    now = datetime.now(UTC)
    newest = max((row["decided_at"] for row in decisions), default=None)
    build = _only("builds")
    replication = _only("replication")
    with parts.row_of_cards():
        parts.figure(
            "Newest decision",
            UNDEFINED if newest is None else f"{duration(now - newest)} ago",
            beside=moment(newest),
            about="The close of the newest bar that the ensemble decided on.",
        )
        started = build and build["started_at"]
        parts.figure(
            "Last build",
            f"{duration(now - started)} ago" if started else UNDEFINED,
            beside=_build(build),
            about="When the marts were last built, as operations.build_history has it.",
        )
        parts.figure(
            "Replication",
            _lag(replication),
            beside=_applying(replication),
            about="When the replica last heard from the primary, and how its subscription is.",
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
    return f"{plural(build['models_built'], 'model')}, no failure"


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


def _decisions(decisions: list[Row]) -> None:
    shown = decisions[:CARDS]
    with parts.section("The ensemble", "ensemble.ensemble_decisions"):
        recent = data.rows("decisions", symbols=[row["symbol"] for row in shown], count=BARS)
        with parts.row_of_cards():
            for row in shown:
                _card(row, [r for r in recent if r["symbol"] == row["symbol"]])
        symbols = [row["symbol"] for row in decisions]
        asked = st.query_params.get("of", "")
        if asked and asked not in symbols:
            parts.remember_wrong(
                "of", f"There is no symbol {escaped(repr(asked[:60]))} in the marts."
            )
        chosen = st.selectbox("Symbol", symbols, key="of", bind="query-params", width=240)
        parts.tell_wrong("of", has_choice=chosen != symbols[0])
        line = [r for r in recent if r["symbol"] == chosen] or data.rows(
            "decisions", symbols=[chosen], count=BARS
        )
        parts.chart(
            charts.price_of(line),
            f"Price of {chosen} over its last {len(line)} closes, and where the decision changed",
        )
        parts.chart(
            charts.probability_of(line),
            f"The ensemble's probability that {chosen} rises, at the same closes",
        )
        with st.expander("All symbols as a table"):
            parts.table(
                decisions,
                {
                    "symbol": Column("Symbol"),
                    "decision": Column("Decision"),
                    "probability_up": Column("Probability up", "share"),
                    "agreement": Column("Agreement", "share"),
                    "contributors": Column("Speak", "number"),
                    "experts": Column("Experts", "number"),
                    "close_price": Column("Close", "price"),
                    "confirming_experts": Column("For it"),
                    "contradicting_experts": Column("Against it"),
                    "decided_at": Column("Decided", "time"),
                },
                mart="ensemble.ensemble_decisions",
                name="decisions",
                alt="Latest decision of each symbol",
            )


def _card(row: Row, recent: list[Row]) -> None:
    colour = charts.DIRECTIONS[row["decision"]]
    with st.container(border=True, width=362, height="stretch", gap="xsmall"):
        st.html(
            f"<div>{html.escape(row['symbol'])} · {price(row['close_price'])}</div>"
            "<div style='font-size: 1.7rem; font-weight: 700; line-height: 1.3'>"
            f"<span style='color: {colour}'>{ARROWS[row['decision']]}</span> {row['decision']}"
            "<span style='font-size: 1rem; font-weight: 400'> · rises with "
            f"{share(row['probability_up'], 1)}</span></div>"
        )
        parts.chart(
            charts.spark(recent),
            f"Price of {row['symbol']} over its last {len(recent)} closes",
        )
        st.markdown(
            f"**{share(row['agreement'])}** agreement, "
            f"{row['contributors']} of {row['experts']} speak  \n"
            f"for: {_names(row['confirming_experts'])}  \n"
            f"against: {_names(row['contradicting_experts'])}"
        )


def _names(joined: str | None, at_most: int = 3) -> str:
    if not joined:
        return "nobody"
    names = joined.split(", ")
    more = f" and {len(names) - at_most} more" if len(names) > at_most else ""
    return escaped(", ".join(names[:at_most])) + more


def _relations(found: list[Row]) -> None:
    if not found:
        st.info("No signals yet.")
        return
    newest = max(row["newest_at"] for row in found)
    total = sum(row["signals"] for row in found)
    parts.remark(f"{plural(total, 'signal')} in the 24 hours up to {escaped(moment(newest))}")
    found.sort(key=lambda row: RELATIONS.index(row["relation"]))
    told = ", ".join(f"{row['relation']} {row['signals']}" for row in found)
    parts.chart(charts.relations(found), f"Signals by relation to their pattern: {told}")


def _weights(found: list[Row]) -> None:
    if not found:
        st.info("No expert has been heard yet.")
        return
    parts.remark(
        f"Weights of {found[0]['weight_date']:%Y\\-%m\\-%d}, made of outcomes before that day"
    )
    parts.chart(charts.weights(found), "Weight of each expert in the ensemble, heaviest first")


def latest_signals() -> None:
    """The newest signals, each with a link to its story."""
    found = data.signals(20)
    if not found:
        st.info("**No signals yet.** The AI modules write them to the primary.")
        return
    for row in found:
        row["link"] = f"/signals?signal={row['signal_id']}"
    parts.table(
        found, SIGNALS, mart="ensemble.signal_confluence", name="latest_signals",
        alt="The newest 20 signals",
    )  # fmt: skip
