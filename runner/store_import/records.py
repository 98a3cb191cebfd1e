"""Turns a store's row into the row of a destination, with the checks for every record."""

from __future__ import annotations

import dataclasses
import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from runner.client import validation
from runner.client.errors import ModelConflictError
from runner.client.limits import STATUSES
from runner.client.records import Bar, Model, Signal
from runner.client.validation import EPISODES, GENERATIONS, SPECTRA, Training
from runner.client.values import InvalidRecordError
from runner.store_import import mapping as kinds
from runner.store_import.mapping import Field, StoreMapping
from runner.store_import.values import (
    Unreadable,
    ValueRefusedError,
    text_of,
    to_decimal,
    to_double,
    to_integer,
    to_json,
    to_key,
    to_text,
    to_time,
)

_TRAININGS: Mapping[str, Training[Any]] = {
    each.table: each for each in (EPISODES, GENERATIONS, SPECTRA)
}
_RECORDS = {table: kind.record for table, kind in _TRAININGS.items()} | {
    "ai_trading_signals": "signal",
    "market_bars": "bar",
}
_CONVERTERS: Mapping[str, Callable[[object], Any]] = {
    kinds.TEXT: to_text,
    kinds.DOUBLE: to_double,
    kinds.INTEGER: to_integer,
    kinds.KEY: to_key,
    kinds.JSON: to_json,
}
_LONGEST_KEY = 120
_encode = json.JSONEncoder(ensure_ascii=False).encode


@dataclass(frozen=True, slots=True)
class Entry:
    """A row that may be stored: its key and its JSON; or a bar."""

    key: str
    text: str = ""
    bar: Bar | None = None


class Converter:
    """Makes entries of a store's rows.

    Args:
        mapping: the fields and their columns.
        model_id: registers a model version, or finds it.
    """

    def __init__(self, mapping: StoreMapping, model_id: Callable[[Model], int]) -> None:
        self._mapping = mapping
        self._record = _RECORDS[mapping.destination]
        self._find_model = model_id
        self._models: dict[tuple[Any, ...], int | Exception] = {}

    def entry(self, row: Mapping[str, Any]) -> Entry:
        """The entry of a row; raise InvalidRecordError or ModelConflictError if it is invalid."""
        values = {field.name: self._value(field, row) for field in self._mapping.fields}
        given = {name: value for name, value in values.items() if value is not None}
        if self._mapping.destination == "market_bars":
            bar = Bar(**given)
            validation.bar_row(bar)
            return Entry(f"{bar.symbol} {bar.timeframe} {bar.opened_at.isoformat()}", bar=bar)
        model_id = self._model_id(row)
        columns, stored, key = self._stored(model_id, given, row)
        text = validation.row_as_json(columns, stored)
        return Entry(key, f'{{"key":{_encode(key)},"row":{text}}}')

    def _model_id(self, row: Mapping[str, Any]) -> int:
        model_type, name, version = (self._value(field, row) for field in self._mapping.model)
        known = self._models.get((model_type, name, version))
        if known is None:
            try:
                known = self._find_model(Model(model_type, name, version, self._mapping.config))
            except (InvalidRecordError, ModelConflictError) as error:
                known = error
            self._models[model_type, name, version] = known
        if isinstance(known, Exception):
            raise known
        return known

    def _stored(
        self, model_id: int, given: dict[str, Any], row: Mapping[str, Any]
    ) -> tuple[Sequence[str], Sequence[Any], str]:
        """Columns and values of the row, and its key."""
        if self._mapping.destination == "ai_trading_signals":
            return self._stored_signal(model_id, given, row)
        kind = _TRAININGS[self._mapping.destination]
        # What is required is there.
        missing = (each.name for each in dataclasses.fields(kind.type) if _is_needed(each))
        stored = kind.row(model_id, kind.type(**dict.fromkeys(missing) | given), None)
        key = f"{model_id}/{stored[1]}" if kind.number else self._key(row)
        return kind.columns, stored, key

    def _stored_signal(
        self, model_id: int, given: dict[str, Any], row: Mapping[str, Any]
    ) -> tuple[Sequence[str], Sequence[Any], str]:
        # An old signal is no longer active, unless the store says so.
        status = given.pop("status", "EXPIRED")
        if status not in STATUSES:
            reason = f"is not one of {', '.join(STATUSES)}"
            raise InvalidRecordError(self._record, "status", status, reason)
        plan = given.pop("trade_plan_id", None)
        if plan is not None:
            plan = validation.checked_key(self._record, "trade_plan_id", plan)
        key = self._key(row)
        signal = Signal(**given, model_id=model_id)
        stored = validation.signal_row(signal, f"import/{self._mapping.source_name}/{key}")
        columns = (*validation.SIGNAL_COLUMNS, "status", "trade_plan_id")
        return columns, (*stored, status, plan), key

    def _key(self, row: Mapping[str, Any]) -> str:
        """The values of the row's key in its store, as one text that an index can hold."""
        parts = []
        for column in self._mapping.key:
            raw = row[column]
            if self._is_null(raw):
                raise InvalidRecordError(self._record, f"key {column}", raw, "is missing")
            try:
                parts.append(text_of(raw))
            except ValueRefusedError as refused:
                reason = str(refused)
                raise InvalidRecordError(self._record, f"key {column}", raw, reason) from None
        key = parts[0] if len(parts) == 1 else json.dumps(parts, ensure_ascii=False)
        if len(key) <= _LONGEST_KEY:
            return validation.checked_text(self._record, "key", key)
        return f"sha256:{hashlib.sha256(key.encode('utf-8', 'surrogatepass')).hexdigest()}"

    def _is_null(self, raw: object) -> bool:
        if isinstance(raw, float) and raw != raw:
            raw = "nan"
        return raw is None or (isinstance(raw, str) and raw.strip() in self._mapping.nulls)

    def _value(self, field: Field, row: Mapping[str, Any]) -> Any:
        raw = None if field.column is None else row[field.column]
        if isinstance(raw, Unreadable):
            raise InvalidRecordError(self._record, field.name, raw, "cannot be read")
        if self._is_null(raw):
            raw = field.default
        if raw is None:
            if field.is_required:
                where = "" if field.column is None else f" in column {field.column}"
                raise InvalidRecordError(self._record, field.name, None, f"is missing{where}")
            return None
        try:
            if field.values is not None and raw is not field.default:
                text = text_of(raw)
                if text not in field.values:
                    reason = f"is none of the mapping's values: {', '.join(field.values)}"
                    raise ValueRefusedError(reason)
                raw = field.values[text]
            return _converted(field, raw)
        except ValueRefusedError as refused:
            raise InvalidRecordError(self._record, field.name, raw, str(refused)) from None


def _converted(field: Field, raw: object) -> Any:
    if field.kind == kinds.DECIMAL:
        return to_decimal(raw, field.decimals)
    if field.kind == kinds.TIME:
        return to_time(raw, field.format, field.zone)
    return _CONVERTERS[field.kind](raw)


def _is_needed(field: dataclasses.Field[Any]) -> bool:
    return field.default is field.default_factory is dataclasses.MISSING
