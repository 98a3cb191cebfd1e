"""Signals: one signal from pattern to plan to orders to outcome, on its bars."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

import streamlit as st

from runner.views import charts, tables
from runner.views.asked import Asked
from runner.views.dashboard import bar, data, parts
from runner.views.dashboard.marts import MartError, Row, UnreachableError
from runner.views.dashboard.now import signals_table
from runner.views.dashboard.wording import (
    duration,
    escaped,
    in_currency,
    in_words,
    label,
    moment,
    money,
    price,
    quantity,
    share,
    source_label,
)
from runner.views.sections import signals
from runner.views.surface import Column
from runner.words import plural

LISTED = 200
SAVED = 100_000
"""Signals in a download, at most."""
RELATIONS = {label(name): name for name in ("confirm", "contradict", "neutral", "no_pattern")}
TYPES = ("BUY", "SELL", "HOLD")


def page(asked: Asked) -> None:
    """Draw the page."""
    parts.contents(["Price chart", "Find a signal", *(each.title for each in signals.SECTIONS)])
    with parts.section(""):
        chosen = _chosen(asked)
        if chosen is not None:
            _story(chosen)
    with parts.section("Find a signal", "ensemble.signal_confluence"):
        _list(asked)
    parts.draw(signals.SECTIONS, asked)


def _chosen(asked: Asked) -> Row | None:
    """The signal that the link or the field names, otherwise the newest traded and resolved one."""
    number = st.query_params.get("signal", "")
    if number and not number.isdecimal():
        bar.remember("signal", f"{escaped(repr(number[:60]))} is no number of a signal.")
    number_asked = st.number_input(
        "Signal number",
        min_value=1,
        max_value=2**53 - 1,
        value=None,
        step=1,
        key="signal",
        bind="query-params",
        width=240,
        placeholder="the newest resolved",
        help=data.description("ensemble.signal_confluence.signal_id"),
    )
    if number_asked is None:
        newest = data.signals(asked, LISTED)
        if not newest:
            return None
        _add_outcomes(newest)
        traded = [row for row in newest if row["order_count"]]
        resolved = [row for row in newest if row.get("outcome_return") is not None]
        both = [row for row in traded if row in resolved]
        number_asked = (both or resolved or traded or newest)[0]["signal_id"]
    found = data.rows("signal", signal_id=int(number_asked))
    if not found:
        st.warning(f"There is no signal {number_asked} in the marts.")
        return None
    return found[0]


# --- the story --------------------------------------------------------------------------------


def _story(signal: Row) -> None:
    number_ = {"signal_id": signal["signal_id"]}
    outcome, validation = _first("signal_outcome", number_), _first("signal_validation", number_)
    st.header(
        f"{signal['signal_type']} {escaped(signal['symbol'])} by {escaped(signal['model'])}",
        anchor=False,
    )
    with st.container(horizontal=True, gap="small"):
        _pattern_card(signal)
        _signal_card(signal, validation)
        _plan_card(signal, outcome)
        _orders_card(signal)
        _outcome_card(outcome)
    with parts.section("Price chart", "performance.price_bars"):
        _bars(signal, outcome)
    with parts.section("Orders and trades", "performance.order_attribution"):
        _orders(number_)
    with parts.section("Where the profit went", "performance.signal_gaps"):
        _gap(number_)


def _first(question: str, parameters: dict[str, Any]) -> Row:
    """The one row, or an empty one: its card says so."""
    try:
        found = data.rows(question, **parameters)
    except UnreachableError:
        raise
    except MartError:
        return {}
    return found[0] if found else {}


def _pattern_card(signal: Row) -> None:
    if signal["pattern_id"] is None:
        parts.card("1 · Pattern", "no pattern", "The signal came without one.")
        return
    parts.card(
        "1 · Pattern",
        f"{signal['pattern_signal']} {escaped(signal['pattern_type'] or 'unknown')}",
        f"confidence {share(signal['pattern_confidence'])}",
        escaped(moment(signal["pattern_at"])),
    )


def _signal_card(signal: Row, validation: Row) -> None:
    rate = validation.get("base_rate")
    similar = "No similar signals were known"
    if signal["signal_type"] == "HOLD":
        similar = "A HOLD has no direction to win by"
    elif rate is not None:
        ends = (validation["base_rate_lower"], validation["base_rate_upper"])
        similar = (
            f"Similar signals: {validation['similar_wins']}/{validation['similar_cases']} won "
            f"({share(rate)}, 95% CI {Column('', 'percent interval').told(ends)}): "
            f"{validation['verdict']}"
        )
    parts.card(
        "2 · Signal",
        f"{signal['signal_type']} · {escaped(label(signal['relation']))}",
        escaped(in_words(signal["model_type"])),
        f"confidence {share(signal['confidence'])}, {label(signal['status'])}",
        escaped(moment(signal["created_at"])),
        similar,
    )


def _plan_card(signal: Row, outcome: Row) -> None:
    if signal["trade_plan_id"] is None:
        own = [
            f"{what} {price(outcome[name])}, the signal's own"
            for what, name in (("Stop", "stop_loss_price"), ("Target", "take_profit_price"))
            if outcome.get(name) is not None
        ]
        parts.card("3 · Plan", "no plan", *(own or ["Nobody made a trade plan of it."]))
        return
    parts.card(
        "3 · Plan",
        escaped(source_label(signal["plan_strategy"] or "") or f"plan {signal['trade_plan_id']}"),
        f"Entry {price(signal['plan_entry_price'])}",
        f"Stop {price(signal['plan_stop_loss_price'])}",
        f"Target {price(signal['plan_take_profit_price'])}",
    )


def _orders_card(signal: Row) -> None:
    if not signal["order_count"]:
        parts.card("4 · Orders", "not traded", "No order executes it.")
        return
    parts.card(
        "4 · Orders",
        plural(signal["order_count"], "order"),
        f"last: {label(signal['last_order_status'])}",
        escaped(moment(signal["last_order_at"])),
        f"{quantity(signal['filled_quantity'])} filled",
    )


def _outcome_card(outcome: Row) -> None:
    if not outcome:
        parts.card("5 · Outcome", "not known", "performance\\.signal\\_outcomes has no row of it.")
        return
    if outcome["signal_type"] == "HOLD":
        parts.card("5 · Outcome", "none", "A HOLD has no direction that prices could prove.")
        return
    executed = "no closed trade"
    if outcome["executed_trades"]:
        made = in_currency(money(outcome["executed_net_profit"]), outcome["executed_currency"])
        if outcome["executed_currency"] is None:
            made = "money in several currencies"
        executed = f"{plural(outcome['executed_trades'], 'trade')}, realized P&L {made}"
    if outcome["outcome"] == "OPEN":
        parts.card("5 · Outcome", "open", "Neither stop nor target was reached yet.", executed)
        return
    if outcome["outcome"] == "NOT_APPLICABLE":
        parts.card("5 · Outcome", "none", "No bar had closed when it came.", executed)
        return
    held = f" in {plural(outcome['bars_held'], 'bar')}" if outcome["bars_held"] else ""
    parts.card(
        "5 · Outcome",
        label(outcome["outcome"]),
        f"return {share(outcome['outcome_return'], 2)}{held}, before fees",
        f"MAE {share(outcome['mae'], 2)}, MFE {share(outcome['mfe'], 2)}",
        escaped(moment(outcome["resolved_at"])),
        executed,
    )


def _bars(signal: Row, outcome: Row) -> None:
    made_at = signal["created_at"]
    ends = [
        at
        for at in (outcome.get("resolved_at"), outcome.get("executed_available_at"))
        if at is not None
    ]
    last = max(ends) if ends else made_at + timedelta(days=2)
    found = data.rows(
        "signal_bars", symbol=signal["symbol"], first=made_at, last=last + (last - made_at) / 4
    )
    if not found:
        st.info("There are no bars of this symbol and time.")
        return
    trades = data.rows("signal_trades", signal_id=signal["signal_id"])
    parts.SURFACE.charts(
        [
            (
                charts.candles(
                    found,
                    made_at,
                    _marks(outcome, trades, found[-1]["closed_at"]),
                    _levels(signal, outcome),
                ),
                f"Prices of {signal['symbol']} around the signal, its entry, trades and outcome",
            )
        ],
        found,
        f"bars_of_signal_{signal['signal_id']}",
    )
    ended = outcome.get("resolved_at")
    fate = "It is not resolved yet."
    if signal["signal_type"] == "HOLD":
        fate = "A HOLD is never resolved."
    elif ended:
        fate = f"Resolved {duration(ended - made_at)} after the signal."
    parts.SURFACE.say(f"{found[0]['timeframe']} bars; hollow rose, filled fell. {fate}")


def _marks(outcome: Row, trades: list[Row], until: Any) -> list[Row]:
    marks = [
        *({"at": t["entry_at"], "price": t["entry_price"], "what": "entry"} for t in trades),
        *({"at": t["exit_at"], "price": t["exit_price"], "what": "exit"} for t in trades),
        {
            "at": outcome.get("resolved_at"),
            "price": outcome.get("exit_price"),
            "what": _outcome(outcome) or "",
        },
    ]
    return [
        mark
        for mark in marks
        if mark["at"] is not None and mark["price"] is not None and mark["at"] <= until
    ]


def _levels(signal: Row, outcome: Row) -> list[Row]:
    """The prices of the plan, where it has none those of the signal itself."""
    levels = {
        "entry": signal["plan_entry_price"] or outcome.get("entry_price"),
        "stop": signal["plan_stop_loss_price"] or outcome.get("stop_loss_price"),
        "target": signal["plan_take_profit_price"] or outcome.get("take_profit_price"),
    }
    return [{"what": what, "price": at} for what, at in levels.items() if at is not None]


def _orders(number_: dict[str, Any]) -> None:
    orders = data.rows("signal_orders", **number_)
    if not orders:
        st.info("No order executes this signal.")
        return
    parts.show(parts.named(tables.ORDERS, orders), orders)
    if trades := data.rows("signal_trades", **number_):
        parts.show(parts.named(tables.TRADES, trades), trades)


def _gap(number_: dict[str, Any]) -> None:
    found = data.rows("signal_gap", **number_)
    if not found:
        st.info(
            "Told once the signal is over: resolved, and nothing of its trades open. Not of a HOLD."
        )
        return
    gap = found[0]
    if gap["hypothetical_profit"] is None:
        st.info("It was traded in several currencies, or at prices far from the bars'.")
        return
    lost = [
        f"{label(name)} {money(-gap[name])}"
        for name in ("size", "not_traded", "delay", "price", "exit", "fees")
        if gap[name]
    ]
    currency = gap["currency"]
    parts.SURFACE.say(
        f"It would have earned {in_currency(money(gap['hypothetical_profit']), currency)} with the "
        f"same stake as all signals, and earned {in_currency(money(gap['real_profit']), currency)}"
        f"{': ' if lost else '.'}{', '.join(lost)}"
    )
    parts.SURFACE.charts(
        [(charts.gaps(gap), "From the signal's hypothetical profit to the realized one")], [], ""
    )


# --- the list ---------------------------------------------------------------------------------


def _list(asked: Asked) -> None:
    with st.container(horizontal=True, gap="medium"):
        bar.tell_unknown("relation", list(RELATIONS), "confluence")
        relations = st.pills(
            "Confluence",
            list(RELATIONS),
            selection_mode="multi",
            key="relation",
            bind="query-params",
            help=data.description("ensemble.signal_confluence.relation"),
        )
        bar.tell_unknown("side", TYPES, "side")
        types = st.pills("Side", TYPES, selection_mode="multi", key="side", bind="query-params")
    filters = {
        "relations": [RELATIONS[each] for each in relations] or None,
        "signal_types": list(types) or None,
    }
    found = data.signals(asked, LISTED, **filters)
    if not found:
        if not asked.chosen and not relations and not types:
            st.info("**No signals yet.** The AI modules write them to the primary.")
        else:
            st.info(
                f"**No signals in this choice** ({escaped(str(asked))}). The marts have "
                f"{escaped(str(asked.choices.days))}."
            )
        return
    _add_outcomes(found)
    if len(found) == LISTED:
        parts.SURFACE.say(f"The newest {LISTED}; the download has up to {SAVED:,}.")

    def every() -> list[Row]:
        rows = data.signals(asked, SAVED, **filters)
        _add_outcomes(rows)
        return rows

    of = "performance.signal_outcomes"
    columns = {
        **tables.SIGNALS.columns,
        "outcome_told": Column("Outcome", of=f"{of}.outcome"),
        "outcome_return": Column("Return", "percent", 2, of=f"{of}.outcome_return"),
        "executed_net_profit": Column("Realized P&L", "money", of=f"{of}.executed_net_profit"),
        "executed_currency": Column("Currency", of=f"{of}.executed_currency"),
    }
    signals_table(found, parts.named(replace(tables.SIGNALS, columns=columns), found), every)


def _add_outcomes(found: list[Row]) -> None:
    """Add outcomes to rows of signals, if their mart exists."""
    try:
        outcomes = data.rows("outcomes_of", signal_ids=[row["signal_id"] for row in found])
    except UnreachableError:
        raise
    except MartError:
        outcomes = []
    by_id = {row["signal_id"]: row for row in outcomes}
    for row in found:
        row.update(by_id.get(row["signal_id"], {}))
        row["outcome_told"] = _outcome(row)


def _outcome(row: Row) -> str | None:
    told = row.get("outcome")
    return None if told in (None, "NOT_APPLICABLE") else label(str(told))
