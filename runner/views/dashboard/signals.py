"""Signals: one signal from pattern to plan to orders to outcome, on its bars."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import streamlit as st

from runner.views import charts
from runner.views.dashboard import data, parts
from runner.views.dashboard.marts import MartError, Row, UnreachableError
from runner.views.dashboard.now import RELATIONS, SIGNALS
from runner.views.dashboard.parts import Column, Filters
from runner.views.dashboard.wording import (
    UNDEFINED,
    UNNAMED,
    count,
    day,
    duration,
    escaped,
    in_currency,
    in_words,
    interval,
    moment,
    money,
    price,
    quantity,
    share,
)
from runner.words import plural

LISTED = 200
TYPES = ("BUY", "SELL", "HOLD")


def page() -> None:
    """Draw the page."""
    st.title("Signals", anchor=False)
    with parts.section(""):
        chosen = _chosen()
        if chosen is not None:
            _story(chosen)
    with parts.section("Find a signal", "ensemble.signal_confluence"):
        _list()


def _chosen() -> Row | None:
    """The signal that the link or the field names, otherwise the newest traded one."""
    asked = st.query_params.get("signal", "")
    if asked and not asked.isdecimal():
        parts.remember_wrong("signal", f"{escaped(repr(asked[:60]))} is no number of a signal.")
    number_asked = st.number_input(
        "Signal number",
        min_value=1,
        max_value=2**53 - 1,
        value=None,
        step=1,
        key="signal",
        bind="query-params",
        width=240,
        placeholder="the newest traded",
        help=data.description("ensemble.signal_confluence.signal_id"),
    )
    parts.tell_wrong("signal", has_choice=number_asked is not None)
    if number_asked is None:
        newest = data.signals(LISTED)
        if not newest:
            st.info("**No signals yet.** The AI modules write them to the primary.")
            return None
        traded = [row for row in newest if row["order_count"]]
        number_asked = (traded or newest)[0]["signal_id"]
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
    with parts.row_of_cards():
        _pattern_card(signal)
        _signal_card(signal, validation)
        _plan_card(signal)
        _orders_card(signal)
        _outcome_card(outcome)
    with parts.section("On its bars", "performance.price_bars"):
        _bars(signal, outcome)
    with parts.section("Orders and trades", "performance.order_attribution"):
        _orders(number_)


def _first(question: str, parameters: dict[str, Any]) -> Row:
    """The one row, or an empty one: its card says so."""
    try:
        found = data.rows(question, **parameters)
    except UnreachableError:
        raise
    except MartError:
        return {}
    return found[0] if found else {}


def _card(step: str, headline: str, *lines: str) -> None:
    with st.container(border=True, height="stretch", gap="xsmall"):
        st.markdown(f":small[{step}]  \n**{headline}**")
        st.markdown("  \n".join(f":small[{line}]" for line in lines))


def _pattern_card(signal: Row) -> None:
    if signal["pattern_id"] is None:
        _card("1 · Pattern", "no pattern", "The signal came without one.")
        return
    _card(
        "1 · Pattern",
        f"{signal['pattern_signal']} {escaped(signal['pattern_type'] or 'unknown')}",
        f"confidence {share(signal['pattern_confidence'])}",
        escaped(moment(signal["pattern_at"])),
    )


def _signal_card(signal: Row, validation: Row) -> None:
    rate = validation.get("base_rate")
    like_it = (
        f"like it: {share(rate)} of {count(validation['similar_cases'])} won, "
        f"{interval((validation['base_rate_lower'], validation['base_rate_upper']), as_share=True)}"
        if rate is not None
        else "nothing like it was known"
    )
    _card(
        "2 · Signal",
        f"{signal['signal_type']} · {escaped(signal['relation'].replace('_', ' '))}",
        escaped(in_words(signal["model_type"])),
        f"confidence {share(signal['confidence'])}, {signal['status'].lower()}",
        escaped(moment(signal["created_at"])),
        f"{like_it}: {validation.get('verdict', UNDEFINED)}",
    )


def _plan_card(signal: Row) -> None:
    if signal["trade_plan_id"] is None:
        _card("3 · Plan", "no plan", "Nobody made a trade plan of it.")
        return
    _card(
        "3 · Plan",
        escaped(signal["plan_strategy"] or f"plan {signal['trade_plan_id']}"),
        f"enter at {price(signal['plan_entry_price'])}",
        f"stop at {price(signal['plan_stop_loss_price'])}",
        f"take profit at {price(signal['plan_take_profit_price'])}",
    )


def _orders_card(signal: Row) -> None:
    if not signal["order_count"]:
        _card("4 · Orders", "not traded", "No order executes it.")
        return
    _card(
        "4 · Orders",
        plural(signal["order_count"], "order"),
        f"last: {signal['last_order_status'].lower().replace('_', ' ')}",
        escaped(moment(signal["last_order_at"])),
        f"{quantity(signal['filled_quantity'])} filled",
    )


def _outcome_card(outcome: Row) -> None:
    if not outcome:
        _card("5 · Outcome", "not known", "performance\\.signal\\_outcomes has no row of it.")
        return
    executed = "never traded to the end"
    if outcome["executed_trades"]:
        made = in_currency(money(outcome["executed_net_profit"]), outcome["executed_currency"])
        if outcome["executed_currency"] is None:
            made = "money in several currencies"
        executed = f"{plural(outcome['executed_trades'], 'trade')} made {escaped(made)}"
    held = f" in {plural(outcome['bars_held'], 'bar')}" if outcome["bars_held"] else ""
    _card(
        "5 · Outcome",
        outcome["outcome"].lower().replace("_", " "),
        f"return {share(outcome['outcome_return'], 2)}{held}, before fees",
        f"worst {share(outcome['mae'], 2)}, best {share(outcome['mfe'], 2)}",
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
    parts.chart(
        charts.candles(
            found, made_at, _marks(outcome, trades, found[-1]["closed_at"]), _levels(signal)
        ),
        f"Prices of {signal['symbol']} around the signal, with its entry, trades and outcome",
    )
    ended = outcome.get("resolved_at")
    fate = f"resolved {duration(ended - made_at)} after it came" if ended else "not resolved yet"
    parts.remark(f"{found[0]['timeframe']} bars; hollow rose, filled fell. The signal was {fate}.")
    parts.download(found, f"bars_of_signal_{signal['signal_id']}")


def _marks(outcome: Row, trades: list[Row], until: Any) -> list[Row]:
    marks = [
        *({"at": t["entry_at"], "price": t["entry_price"], "what": "opened"} for t in trades),
        *({"at": t["exit_at"], "price": t["exit_price"], "what": "closed"} for t in trades),
        {
            "at": outcome.get("resolved_at"),
            "price": outcome.get("exit_price"),
            "what": str(outcome.get("outcome", "")).lower().replace("_", " "),
        },
    ]
    return [
        mark
        for mark in marks
        if mark["at"] is not None and mark["price"] is not None and mark["at"] <= until
    ]


def _levels(signal: Row) -> list[Row]:
    levels = {
        "stop": signal["plan_stop_loss_price"],
        "take profit": signal["plan_take_profit_price"],
    }
    return [{"what": what, "price": at} for what, at in levels.items() if at is not None]


def _orders(number_: dict[str, Any]) -> None:
    orders = data.rows("signal_orders", **number_)
    if not orders:
        st.info("No order executes this signal.")
        return
    parts.table(
        orders,
        {
            "order_id": Column("Order", "number", "%d"),
            **_accounts(orders),
            "side": Column("Side"),
            "method": Column("Found by"),
            "lag_seconds": Column("Seconds after", "number", "%.0f"),
            "created_at": Column("Placed", "time"),
        },
        mart="performance.order_attribution",
        name=f"orders_of_signal_{number_['signal_id']}",
        alt="Orders that execute the signal",
    )
    trades = data.rows("signal_trades", **number_)
    if trades:
        parts.table(
            trades,
            {
                "trade_id": Column("Trade"),
                **_accounts(trades),
                "direction": Column("Direction"),
                "quantity": Column("Quantity", "quantity"),
                "entry_at": Column("In", "time"),
                "entry_price": Column("In at", "price"),
                "exit_at": Column("Out", "time"),
                "exit_price": Column("Out at", "price"),
                **_if_told(trades, entry_tag="Tag", exit_reason="Closed by"),
                "fees": Column("Fees", "money"),
                "net_profit": Column("Net profit", "money"),
            },
            mart="performance.trades",
            name=f"trades_of_signal_{number_['signal_id']}",
            alt="Trades that the signal opened",
        )


def _if_told(rows: list[Row], **labels: str) -> dict[str, Column]:
    """Columns that some row has a value for."""
    return {
        name: Column(label)
        for name, label in labels.items()
        if any(row[name] is not None for row in rows)
    }


def _accounts(rows: list[Row]) -> dict[str, Column]:
    """Columns of account and currency, where rows name any."""
    return {
        name: Column(name.capitalize())
        for name in ("account", "currency")
        if any(row[name] != UNNAMED for row in rows)
    }


# --- the list ---------------------------------------------------------------------------------


def _list() -> None:
    asked = parts.filters(symbols=True, models=True, days=True)
    left, right = st.columns(2)
    relations = left.pills(
        "Pattern",
        RELATIONS,
        selection_mode="multi",
        key="relation",
        bind="query-params",
        help=data.description("ensemble.signal_confluence.relation"),
    )
    types = right.pills("Says", TYPES, selection_mode="multi", key="says", bind="query-params")
    found = data.signals(
        LISTED,
        **asked.names(),
        **asked.times(),
        relations=list(relations) or None,
        signal_types=list(types) or None,
    )
    if not found:
        if asked == Filters() and not relations and not types:
            st.info("**No signals yet.** The AI modules write them to the primary.")
        else:
            span = data.rows("days")[0]
            st.info(
                f"**No signals in this choice** ({asked.spoken()}). The marts have "
                f"{day(span['first_date'])} to {day(span['last_date'])}."
            )
        return
    with_outcomes(found)
    most = "The newest " if len(found) == LISTED else ""
    parts.remark(f"{most}{plural(len(found), 'signal')}, {asked.spoken()}.")
    parts.table(
        found,
        SIGNALS
        | {
            "outcome": Column("Outcome", of="performance.signal_outcomes.outcome"),
            "outcome_return": Column(
                "Return", "percent", of="performance.signal_outcomes.outcome_return"
            ),
            "executed_net_profit": Column(
                "Made", "money", of="performance.signal_outcomes.executed_net_profit"
            ),
            **_made_in(found),
        },
        mart="ensemble.signal_confluence",
        name="signals",
        alt="Signals of this choice, the newest first",
    )


def _made_in(found: list[Row]) -> dict[str, Column]:
    if all(row.get("executed_currency") in (None, UNNAMED) for row in found):
        return {}
    of = "performance.signal_outcomes.executed_currency"
    return {"executed_currency": Column("Currency", of=of)}


def with_outcomes(found: list[Row]) -> None:
    """Add links to rows of signals, and outcomes if their mart exists."""
    try:
        outcomes = data.rows("outcomes_of", signal_ids=[row["signal_id"] for row in found])
    except UnreachableError:
        raise
    except MartError:
        outcomes = []
    by_id = {row["signal_id"]: row for row in outcomes}
    for row in found:
        row["link"] = f"/signals?signal={row['signal_id']}"
        row.update(by_id.get(row["signal_id"], {}))
