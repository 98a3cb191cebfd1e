"""Journal: the trades of an account, one by one and together."""

from __future__ import annotations

from typing import Any

import streamlit as st

from runner.views import charts, journal_tables
from runner.views.asked import Asked
from runner.views.dashboard import data, parts
from runner.views.dashboard.marts import MartError, Row, UnreachableError
from runner.views.dashboard.wording import (
    escaped,
    in_currency,
    label,
    moment,
    money,
    number,
    price,
    quantity,
    share,
    source_label,
)
from runner.views.sections import journal
from runner.views.sections.money import nothing
from runner.views.surface import Column

LISTED = 200
SAVED = 100_000
"""Trades in a download, at most."""


def page(asked: Asked) -> None:
    """Draw the page."""
    parts.contents(["Price chart", "Find a trade", *(each.title for each in journal.SECTIONS)])
    with parts.section(""):
        chosen = _chosen(asked)
        if chosen is not None:
            _story(chosen)
    with parts.section("Find a trade", "performance.trades"):
        _list(asked)
    parts.draw(journal.SECTIONS, asked)


def _chosen(asked: Asked) -> Row | None:
    """The trade that the link or the field names, otherwise the newest of the choice."""
    named = st.text_input(
        "Trade",
        key="trade",
        bind="query-params",
        width=240,
        placeholder="the newest",
        help=data.description("performance.trades.trade_id"),
    )
    if not named:
        return next(iter(_trades(asked, LISTED)), None)
    given = asked.parameters() | {"trade_id": named.strip()}
    found = data.rows("trade", **given)
    if not found:
        of = f" of {asked.account}" if len(asked.choices.accounts) > 1 else ""
        st.warning(f"There is no trade {escaped(repr(named[:60]))}{escaped(of)} in the marts.")
        return None
    return found[0]


def _trades(asked: Asked, count: int) -> list[Row]:
    return data.rows("trades", **asked.parameters() | {"count": count})


# --- the story --------------------------------------------------------------------------------


def _story(trade: Row) -> None:
    source = escaped(source_label(trade["source"]))
    st.header(f"{trade['direction']} {escaped(trade['symbol'])} by {source}", anchor=False)
    signal = _signal(trade)
    with st.container(horizontal=True, gap="small"):
        _signal_card(trade, signal)
        _plan_card(trade)
        _entry_card(trade)
        _exit_card(trade)
        _result_card(trade)
    if signal:
        st.button(
            f"Signal {trade['signal_id']}",
            icon=":material/arrow_forward:",
            type="tertiary",
            key="signal_of_trade",
            on_click=lambda: st.session_state.update(_picked=trade["signal_id"]),
        )
    with parts.section("Price chart", "performance.price_bars"):
        _bars(trade, signal)
    with parts.section("Orders of the trade", "performance.order_attribution"):
        _orders(trade)


def _signal(trade: Row) -> Row:
    """The trade's signal, or an empty row: its card says so."""
    if trade["signal_id"] is None:
        return {}
    try:
        found = data.rows("signal", signal_id=trade["signal_id"])
    except UnreachableError:
        raise
    except MartError:
        return {}
    return found[0] if found else {}


def _signal_card(trade: Row, signal: Row) -> None:
    if not signal:
        told = (
            "No signal: the platform's own." if trade["signal_id"] is None else "It is not known."
        )
        parts.card("1 · Signal", "none", told)
        return
    pattern = "no pattern"
    if signal["pattern_id"] is not None:
        pattern = f"{signal['pattern_signal']} {signal['pattern_type'] or 'unknown'}"
    parts.card(
        "1 · Signal",
        f"{signal['signal_type']} {signal['signal_id']}",
        f"confidence {share(signal['confidence'])}",
        f"pattern: {escaped(pattern)}, {escaped(label(signal['relation']))}",
        escaped(moment(signal["created_at"])),
    )


def _plan_card(trade: Row) -> None:
    prices = [
        f"{what} {price(trade[name])}"
        for what, name in (
            ("Entry", "planned_entry_price"),
            ("Stop", "stop_price"),
            ("Target", "target_price"),
        )
        if trade[name] is not None
    ]
    headline = "no plan"
    if trade["trade_plan_id"] is not None:
        headline = f"plan {escaped(str(trade['trade_plan_id']))}"
    elif prices:
        headline = "the signal's own"
    risk = trade["initial_risk"]
    at_risk = "" if risk is None else escaped(f"1 R: {in_currency(money(risk), trade['currency'])}")
    parts.card("2 · Plan", headline, *(prices or ["Neither stop nor target."]), at_risk)


def _entry_card(trade: Row) -> None:
    lines = [f"{quantity(trade['quantity'])} units", escaped(moment(trade["entry_at"]))]
    if trade["leverage"] is not None:
        lines.append(f"leverage {number(trade['leverage'])}")
    if trade["entry_tag"]:
        lines.append(f"tag: {escaped(trade['entry_tag'])}")
    parts.card("3 · Entry", price(trade["entry_price"]), *lines)


def _exit_card(trade: Row) -> None:
    held = Column("", "lag").told(trade["held_seconds"])
    lines = [f"held {held}", escaped(moment(trade["exit_at"]))]
    if trade["exit_reason"]:
        lines.append(f"reason: {escaped(label(trade['exit_reason']))}")
    parts.card("4 · Exit", price(trade["exit_price"]), *lines)


def _result_card(trade: Row) -> None:
    parts.card(
        "5 · Result",
        escaped(in_currency(money(trade["net_profit"]), trade["currency"])),
        {"WIN": "won", "LOSS": "lost"}.get(trade["result"], "break-even")
        + ("" if trade["r_multiple"] is None else f", {number(trade['r_multiple'])} R"),
        f"fees {money(trade['fees'])}",
        f"MAE {share(trade['mae'], 2)}, MFE {share(trade['mfe'], 2)}",
    )


def _bars(trade: Row, signal: Row) -> None:
    first, last = trade["entry_at"], trade["exit_at"]
    found = data.rows("trade_bars", symbol=trade["symbol"], first=first, last=last)
    if not found:
        st.info("There are no bars of this symbol and time.")
        return
    marks = [
        {"at": trade[f"{what}_at"], "price": trade[f"{what}_price"], "what": what}
        for what in ("entry", "exit")
    ]
    levels = [
        {"what": what, "price": trade[name]}
        for what, name in (
            ("planned entry", "planned_entry_price"),
            ("stop", "stop_price"),
            ("target", "target_price"),
        )
        if trade[name] is not None
    ]
    made_at = signal.get("created_at")
    is_shown = made_at is not None and made_at >= found[0]["opened_at"]
    parts.SURFACE.charts(
        [
            (
                charts.candles(found, made_at if is_shown else None, marks, levels),
                f"Prices of {trade['symbol']} around the trade, with its entry, exit and plan",
            )
        ],
        found,
        f"bars_of_trade_{trade['trade_id']}",
    )
    together = found[0]["together"]
    told = f"{found[0]['timeframe']} bars" + (f", {together} as one" if together > 1 else "")
    parts.SURFACE.say(f"{told}; hollow rose, filled fell.")


def _orders(trade: Row) -> None:
    orders = data.rows("trade_orders", trade_id=trade["trade_id"])
    if not orders:
        st.info("The orders of this trade are not in the marts.")
        return
    for row in orders:
        row["part"] = "opened" if row["is_opening"] else "closed"
    parts.show(parts.named(journal_tables.TRADE_ORDERS, orders), orders)


# --- the list ---------------------------------------------------------------------------------


def _list(asked: Asked) -> None:
    found = _trades(asked, LISTED)
    if not found:
        nothing(parts.SURFACE, asked, "trade")
        return
    more = (
        f"The newest {LISTED}; the download has up to {SAVED:,}. " if len(found) == LISTED else ""
    )
    parts.SURFACE.say(f"{more}A click on a trade shows it above.")

    def pick(row: dict[str, Any]) -> None:
        st.session_state["trade"] = row["trade_id"]

    parts.show(
        parts.named(journal_tables.JOURNAL, found),
        found,
        currency=asked.account.currency,
        pick=pick,
        every=lambda: _trades(asked, SAVED),
    )
