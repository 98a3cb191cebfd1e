"""The statements of the data access layer, shared by its two classes, which send them."""

from __future__ import annotations

import time
import uuid
from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from typing import Any, LiteralString

import psycopg
from psycopg.rows import TupleRow

from runner.client import validation
from runner.client.errors import (
    IdempotencyConflictError,
    translated,
)
from runner.client.operation import (
    UNKNOWN,
    Call,
    Copy,
    DrawingOperation,
    Operation,
    Query,
    Script,
    check_size,
    copy_into,
    counted,
    line,
    unfit_key,
    unknown_reference,
)
from runner.client.records import Model, PlatformKey, RelatedPattern, Signal
from runner.client.values import InvalidRecordError

# --- models and patterns ----------------------------------------------------------------------


def register_model(model: Model, *, at: datetime | None = None) -> Operation[int]:
    if at is not None:
        validation.checked_time("model", "at", at)
    row = validation.model_row(model)
    return Call(
        f"register model {model.model_name} {model.version}",
        Query(
            "select public.register_ai_model(%s, %s, %s, %s::jsonb, coalesce(%s, now()))",
            (*row, at),
        ),
    )


def model_artifact(model_name: str, version: str) -> Operation[bytes | None]:
    name = validation.checked_text("model", "model_name", model_name)
    return Call(
        f"find the artifact of model {name} {version}",
        Query(
            "select public.ai_model_artifact(%s, %s)",
            (name, validation.checked_text("model", "version", version)),
        ),
    )


def last_training_number(model_id: int) -> Operation[int]:
    id_ = validation.checked_id("model", "model_id", model_id)
    return Call(
        f"find the last training of model {id_}",
        Query("select public.last_ai_training_number(%s)", (id_,)),
    )


def find_related_patterns(
    asked: Sequence[tuple[str, datetime]], *, within: timedelta | None = None
) -> Operation[list[RelatedPattern | None]]:
    symbols = [validation.checked_text("pattern", "symbol", symbol) for symbol, _ in asked]
    times = [validation.checked_time("pattern", "at", at) for _, at in asked]

    def decode(rows: list[TupleRow]) -> list[RelatedPattern | None]:
        return [None if row[0] is None else RelatedPattern(*row) for row in rows]

    return Call(
        f"find the patterns related to {counted(len(asked), 'signal')}",
        Query(
            """
            select pattern_id, pattern_type, signal, confidence, created_at
            from unnest(%s::text[], %s::timestamptz[]) with ordinality as asked (symbol, at, place)
            left join lateral public.find_related_pattern(asked.symbol, asked.at, %s) on true
            order by asked.place
            """,
            (symbols, times, within),
        ),
        decode=decode,
    )


# --- signals ----------------------------------------------------------------------------------


def store_signal(signal: Signal) -> Operation[int]:
    row = validation.signal_row(signal, _new_key())
    sent = [*row[:-1]]
    sent[_PATTERN] = _as_text(row[_PATTERN])
    return Call(
        "store the signal",
        Query(_STORE_SIGNAL, sent),
        refused=lambda error: unknown_reference(error, "signal", row),
        idempotency_keys=(row[_KEY],),
    )


def _new_key() -> str:
    """A key that no other signal has. It begins with the time: new keys then lie side by side in
    their index, where random ones would each rewrite a page of it (docs/decisions/0029-growth.md).
    """
    return f"{time.time_ns() // 1_000_000:012x}{uuid.uuid4().hex[12:]}"


# The parameters in the order of SIGNAL_COLUMNS.
_STORE_SIGNAL: LiteralString = """
    select public.store_ai_signal(
        model_id => %s, idempotency_key => %s, symbol => %s, signal_type => %s,
        confidence => %s, price_target => %s, stop_loss => %s, take_profit => %s,
        metadata => %s::jsonb, pattern_id => %s, expires_at => %s, created_at => %s
    )
"""

_KEY, _SYMBOL, _TYPE = 1, 2, 3
_PATTERN = validation.SIGNAL_COLUMNS.index("pattern_id")


class StoreSignals(DrawingOperation):
    """Many signals, all or none.

    If one signal is stored already, the next attempt looks up all keys and copies the other
    signals.
    """

    def __init__(self, signals: Iterable[Signal]) -> None:
        batch = _new_key()
        self._rows = [
            validation.signal_row(signal, f"{batch}-{index}", index)
            for index, signal in enumerate(signals)
        ]
        keys = [row[_KEY] for row in self._rows]
        what = f"store {counted(len(keys), 'signal')}"
        super().__init__(what, "ai_trading_signals", len(keys), keys)
        check_size("signal", len(keys))
        validation.check_distinct("signal", "idempotency_key", keys)
        self._must_look = False
        self._must_explain = False

    def script(self) -> Script[list[int]]:
        if not self._rows:
            return []
        if self._must_explain:
            yield from self._explain_reference()
        yield from self.draw()
        ids = list(self._ids)
        fresh = list(range(len(ids)))
        if self._must_look:
            known = yield Query(_FIND_SIGNALS, (list(self.idempotency_keys),))
            places = {key: place for place, key in enumerate(self.idempotency_keys)}
            for key, id_, *facts in known:
                self._check_same(places[key], id_, facts)
                ids[places[key]] = id_
            stored = {key for key, *_ in known}
            fresh = [place for place in fresh if self.idempotency_keys[place] not in stored]
        if fresh:
            rows = [(ids[place], *self._rows[place]) for place in fresh]
            yield Copy(_SIGNALS_COPY, rows)
        return ids

    def refused(self, error: psycopg.Error) -> Exception | None:
        if isinstance(error, psycopg.errors.UniqueViolation):
            # Another caller's key, or our own rows of an attempt with unknown outcome.
            self._must_look = True
            if self.is_of_id(error):
                # Our own rows are found by their keys.
                self._ids = []
            return None
        if isinstance(error, psycopg.errors.ForeignKeyViolation) and not self._must_explain:
            self._must_explain = True
            return None
        if isinstance(error, psycopg.errors.InvalidTextRepresentation):
            index = line(error) or 0
            return unfit_key(error, "pattern_id", self._rows[index][_PATTERN], index)
        return translated(self.what, error)

    def _explain_reference(self) -> Script[None]:
        """Name the first row whose model or pattern does not exist."""
        model = validation.SIGNAL_COLUMNS.index("model_id")
        gone = yield Query(
            "select field, key from public.missing_ai_references(%s::bigint[], %s::text[])",
            (
                sorted({row[model] for row in self._rows}),
                sorted({str(row[_PATTERN]) for row in self._rows if row[_PATTERN] is not None}),
            ),
        )
        for index, row in enumerate(self._rows):
            for field, place in {"model_id": model, "pattern_id": _PATTERN}.items():
                if (field, str(row[place])) in gone:
                    raise InvalidRecordError("signal", field, row[place], UNKNOWN[field], index)

    def _check_same(self, place: int, id_: int, facts: list[Any]) -> None:
        row = self._rows[place]
        if facts != [row[0], row[_SYMBOL], row[_TYPE]]:
            model_id, symbol, signal_type = facts
            raise IdempotencyConflictError(
                f"signal {place}: idempotency_key {row[_KEY]!r} belongs to signal {id_} "
                f"(model {model_id}, {signal_type} {symbol}); a key names one signal",
                "SM007",
            )


_FIND_SIGNALS: LiteralString = """
    select idempotency_key, signal_id, model_id, symbol, signal_type
    from public.find_ai_signals(%s::text[])
"""


def find_signals(idempotency_keys: Sequence[str]) -> Operation[dict[str, int]]:
    checked = [
        validation.checked_text("signal", "idempotency_key", key) for key in idempotency_keys
    ]
    return Call(
        f"find {counted(len(checked), 'signal')}",
        Query(_FIND_SIGNALS, (checked,)),
        decode=lambda rows: {key: id_ for key, id_, *_ in rows},
    )


def create_trade_plan(signal_id: int, *, at: datetime | None = None) -> Operation[PlatformKey]:
    id_ = validation.checked_id("signal", "signal_id", signal_id)
    if at is not None:
        validation.checked_time("signal", "at", at)
    return Call(
        f"create a trade plan from signal {id_}",
        Query("select public.create_trade_plan_from_ai_signal(%s, %s)", (id_, at)),
    )


def record_execution(
    signal_id: int, *, trade_plan_id: PlatformKey | None = None, at: datetime | None = None
) -> Operation[bool]:
    id_ = validation.checked_id("signal", "signal_id", signal_id)
    if trade_plan_id is not None:
        trade_plan_id = validation.checked_key("signal", "trade_plan_id", trade_plan_id)
    if at is not None:
        validation.checked_time("signal", "at", at)

    def refused(error: psycopg.Error) -> Exception | None:
        if error.sqlstate == "SM011":
            reason = "is no plan of the platform"
            return InvalidRecordError("signal", "trade_plan_id", trade_plan_id, reason)
        if isinstance(error, psycopg.errors.InvalidTextRepresentation):
            return unfit_key(error, "trade_plan_id", trade_plan_id)
        return None

    return Call(
        f"record the execution of signal {id_}",
        Query(
            "select public.record_ai_signal_execution(%s, %s, %s)",
            (id_, _as_text(trade_plan_id), at),
        ),
        refused=refused,
    )


def expire_signals(
    *, at: datetime | None = None, model_ids: Sequence[int] | None = None
) -> Operation[int]:
    if at is not None:
        validation.checked_time("signal", "at", at)
    if model_ids is not None:
        model_ids = [validation.checked_id("model", "model_id", id_) for id_ in model_ids]
    return Call(
        "expire signals",
        Query("select public.expire_ai_signals(%s, %s::bigint[])", (at, model_ids)),
    )


def _as_text(key: PlatformKey | None) -> str | None:
    """A key as psycopg sends it without a type: the server takes it for one of the column's."""
    return None if key is None else str(key)


_SIGNALS_COPY = copy_into("ai_trading_signals", ("id", *validation.SIGNAL_COLUMNS))
