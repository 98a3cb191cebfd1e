"""A training set as the modules see it: bars by symbol, and decisions with what came of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from pyarrow import parquet

from runner.client.records import Bar
from runner.demo.history import History, shortest_timeframes
from runner.demo.modules.base import Direction
from runner.errors import UsageError
from runner.retraining.trainers import Assignment

_BAR = ("symbol", "timeframe", "at", "open", "high", "low", "close", "volume")
_SIGNAL = ("symbol", "at", "side", "trade_plan_id", "outcome_return", "resolved_at")
_PLAN = (
    *("key", "symbol", "at", "price_target", "stop_loss"),
    *("bought_quantity", "bought_amount", "sold_quantity", "sold_amount", "fees"),
)
_DIRECTIONS: Mapping[str, Direction] = {"BUY": 1, "SELL": -1, "HOLD": 0}
_MOST = 1_000_000


@dataclass(frozen=True, slots=True)
class PastDecision:
    """A signal or a plan, and its return: of its orders, or else of the bars that followed.

    ``return_`` is in parts of the price at entry, above 0 for a gain.
    """

    symbol: str
    at: datetime
    direction: Direction
    return_: float
    resolved_at: datetime | None


def read_bars(training_set: Path) -> list[Bar]:
    """The bars of each symbol's shortest timeframe, by the time they closed."""
    rows = _rows(training_set, "bar", _BAR)
    shortest = shortest_timeframes((row["symbol"], row["timeframe"]) for row in rows)
    return [
        Bar(opened_at=row.pop("at"), **row)
        for row in rows
        if row["timeframe"] == shortest[row["symbol"]]
    ]


def history_until(bars: Sequence[Bar], until: datetime) -> History:
    """The bars that closed by a moment."""
    return History(bar for bar in bars if bar.closed_at <= until)


def past_decisions(training_set: Path) -> list[PastDecision]:
    """Signals whose outcome is known, HOLD among them, and closed plans of others; by time.

    What a plan's orders made comes before what the bars say of its signal.
    """
    plans = {row["key"]: row for row in _rows(training_set, "plan", _PLAN)}
    found = []
    for row in _rows(training_set, "signal", _SIGNAL):
        direction = _DIRECTIONS[row["side"]]
        plan = plans.pop(row["trade_plan_id"], None)
        made = None if plan is None else _made(plan, direction)
        made = row["outcome_return"] if made is None else made
        if direction == 0:
            found.append(PastDecision(row["symbol"], row["at"], 0, 0.0, None))
        elif made is not None:
            found.append(
                PastDecision(row["symbol"], row["at"], direction, made, row["resolved_at"])
            )
    for plan in plans.values():
        if plan["stop_loss"] and plan["price_target"]:
            side: Direction = 1 if plan["stop_loss"] < plan["price_target"] else -1
            made = _made(plan, side)
            if made is not None:
                found.append(PastDecision(plan["symbol"], plan["at"], side, made, None))
    return sorted(found, key=lambda decision: decision.at)


def _made(plan: Mapping[str, Any], direction: Direction) -> float | None:
    """What a plan's orders made, if they closed what they had opened."""
    if not plan["bought_quantity"] or plan["bought_quantity"] != plan["sold_quantity"]:
        return None
    entry = plan["bought_amount"] if direction > 0 else plan["sold_amount"]
    profit = plan["sold_amount"] - plan["bought_amount"] - (plan["fees"] or 0)
    return float(profit / entry) if entry else None


def _rows(training_set: Path, kind: str, columns: Sequence[str]) -> list[dict[str, Any]]:
    table = parquet.read_table(training_set, columns=list(columns), filters=[("kind", "==", kind)])
    rows: list[dict[str, Any]] = table.to_pylist()
    return rows


def numbers(assignment: Assignment, *names: str) -> dict[str, Any]:
    """The named arguments of a module: from the options, or as the last version had them.

    Raises UsageError for an option that is unknown or no number that makes sense.
    """
    if unknown := sorted(assignment.options.keys() - set(names)):
        raise UsageError(f"unknown option {unknown[0]}; there are {', '.join(names)}")
    config = assignment.last.config
    found = {}
    for name in names:
        given = assignment.options.get(name, config.get(f"{name}_bars", config.get(name)))
        if given is None:
            continue
        is_share = name == "discount"
        is_number = isinstance(given, int | float if is_share else int) and given is not True
        if not is_number or not 0 < given < (1 if is_share else _MOST):
            what = "a number between 0 and 1" if is_share else f"a whole number below {_MOST:,}"
            raise UsageError(f"{name} must be {what}, above 0, not {given!r}")
        found[name] = given
    return found
