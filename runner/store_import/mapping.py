"""The mapping file: the fields for an old store's columns.

The whole file is checked before a row is read, and every fault is told with its line. An unknown
key is refused: a misspelt key would silently leave its setting at the default.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from datetime import tzinfo
from pathlib import Path
from typing import Annotated, Any, Literal
from zoneinfo import ZoneInfo

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, TypeAdapter
from pydantic import Field as Limited

from runner import yaml_files
from runner.client.limits import PRICE_DECIMALS
from runner.errors import UsageError
from runner.store_import.values import TIME_FORMATS

TEXT, DOUBLE, DECIMAL, INTEGER, JSON, TIME = "text", "double", "decimal", "integer", "json", "time"
KEY = "key"

MODEL_FIELDS = {"model_type": TEXT, "model_name": TEXT, "version": TEXT}

FIELDS: Mapping[str, Mapping[str, str]] = {
    "ai_trading_signals": {
        "symbol": TEXT, "signal_type": TEXT, "confidence": DOUBLE, "created_at": TIME,
        "expires_at": TIME, "price_target": DECIMAL, "stop_loss": DECIMAL, "take_profit": DECIMAL,
        "metadata": JSON, "pattern_id": KEY, "trade_plan_id": KEY, "status": TEXT,
        "idempotency_key": TEXT,
    },
    "rl_training_episodes": {
        "episode_number": INTEGER, "total_reward": DOUBLE, "episode_length": INTEGER,
        "created_at": TIME, "average_loss": DOUBLE, "portfolio_value": DECIMAL,
        "sharpe_ratio": DOUBLE, "training_data": JSON,
    },
    "genetic_generations": {
        "generation_number": INTEGER, "best_fitness": DOUBLE, "average_fitness": DOUBLE,
        "best_individual": JSON, "created_at": TIME, "population_diversity": DOUBLE,
    },
    "spectrum_analysis": {
        "symbol": TEXT, "analysis_type": TEXT, "dominant_frequencies": JSON, "created_at": TIME,
        "pattern_confidence": DOUBLE, "anomaly_score": DOUBLE, "analysis_data": JSON,
    },
    "market_bars": {
        "symbol": TEXT, "timeframe": TEXT, "opened_at": TIME, "open": DECIMAL, "high": DECIMAL,
        "low": DECIMAL, "close": DECIMAL, "volume": DECIMAL,
    },
}  # fmt: skip
"""Fields of each destination, with the kind of their values."""

REQUIRED: Mapping[str, tuple[str, ...]] = {
    "ai_trading_signals": ("symbol", "signal_type", "confidence", "created_at"),
    "rl_training_episodes": ("episode_number", "total_reward", "episode_length", "created_at"),
    "genetic_generations": (
        "generation_number", "best_fitness", "average_fitness", "best_individual", "created_at",
    ),
    "spectrum_analysis": ("symbol", "analysis_type", "dominant_frequencies", "created_at"),
    "market_bars": tuple(FIELDS["market_bars"]),
}  # fmt: skip

NATURAL_KEYS = ("rl_training_episodes", "genetic_generations", "market_bars")
"""Destinations whose rows have a key of one or two fields; others need the store's key."""


class MappingError(UsageError):
    """A mapping file is invalid: a line for each fault, with its place and the fix."""


@dataclass(frozen=True, slots=True)
class Field:
    """Where a field's value comes from.

    Attributes:
        name: name of the field.
        kind: kind of its values.
        is_required: whether a row without it is refused.
        column: the store's column; None for a constant.
        default: the value for an empty one; the constant, if there is no column.
        values: the value for each of the store's texts; None to keep the texts.
        format: format of a time.
        zone: time zone of a time without one.
        decimals: decimals to which a decimal number is rounded; None for no rounding.
    """

    name: str
    kind: str
    is_required: bool
    column: str | None
    default: Any
    values: Mapping[str, str] | None
    format: str
    zone: tzinfo | None
    decimals: int | None


@dataclass(frozen=True, slots=True)
class StoreMapping:
    """A mapping file that was read and checked.

    ``source_name`` and the values of the ``key`` columns identify a row: by them a second import
    finds it.
    """

    file: yaml_files.File
    source_name: str
    destination: str
    table: str | None
    key: tuple[str, ...]
    delimiter: str
    nulls: frozenset[str]
    model: tuple[Field, ...]
    config: Mapping[str, Any]
    fields: tuple[Field, ...]

    def columns_of(self, columns: Collection[str]) -> list[str]:
        """The columns that the mapping names; raise MappingError if the store lacks one."""
        named: list[tuple[yaml_files.Place, str | None]] = [
            (("columns", field.name), field.column) for field in self.fields
        ]
        named += [(("model", field.name), field.column) for field in self.model]
        named += [(("key",), column) for column in self.key]
        wanted = {column: place for place, column in named if column is not None}
        there = ", ".join(columns)[:1_000]
        self.file.check(
            (place, f"names {column!r}, and the store has no such column; it has {there}")
            for column, place in wanted.items()
            if column not in columns
        )
        self.file.check([] if wanted else [(("columns",), "names no column of the store")])
        return list(wanted)


# --- what the file may hold ---------------------------------------------------------------------


def _text(given: object) -> object:
    # YAML reads the version 1.10 as a number, and the symbol ON as a bool.
    if given is not None and not isinstance(given, str):
        raise ValueError("is no text: put it in quotes")
    return given


def _spelling(given: object) -> object:
    return str(given) if type(given) is int else _text(given)


def _zone(name: object) -> tzinfo:
    try:
        return ZoneInfo(str(name))
    except (OSError, ValueError, KeyError):  # of which the last is "not found"
        raise ValueError(f"{name!r} is no time zone, such as UTC or Europe/Berlin") from None


def _format(how: str) -> str:
    if how not in TIME_FORMATS and "%" not in how:
        raise ValueError(f"is {', '.join(TIME_FORMATS)} or a pattern such as %d.%m.%Y")
    return how


def _delimiter(sign: str) -> str:
    if len(sign) != 1 or sign in '"\r\n':
        raise ValueError("is one sign, such as ';'")
    return sign


def _source(name: str) -> str:
    if not re.fullmatch(r"[a-z0-9][a-z0-9._-]{0,59}", name):
        raise ValueError("is a name of up to 60 of a-z, 0-9, dot, dash and underscore")
    return name


Text = Annotated[str, BeforeValidator(_text), Limited(min_length=1)]
Zone = Annotated[tzinfo, BeforeValidator(_zone)]


class _Part(BaseModel):
    model_config = ConfigDict(
        extra="forbid", strict=True, frozen=True, arbitrary_types_allowed=True
    )


class _Given(_Part):
    """How the file says where a field's value comes from."""

    column: Text | None = None
    value: Any = None
    default: Any = None
    values: Annotated[
        dict[Annotated[str, BeforeValidator(_spelling)], Text] | None, Limited(min_length=1)
    ] = None
    format: Annotated[str, AfterValidator(_format)] | None = None
    timezone: Zone | None = None
    decimals: Annotated[int, Limited(ge=0, le=PRICE_DECIMALS)] | None = None

    def field(self, name: str, kind: str, is_required: bool, zone: tzinfo | None) -> Field:
        return Field(
            name,
            kind,
            is_required,
            self.column,
            self.default if self.value is None else self.value,
            self.values,
            self.format or "iso",
            self.timezone or zone,
            self.decimals,
        )


# A plain value is a constant of a model; of a row, it is a column's name.
_OfModel = Annotated[_Given, BeforeValidator(lambda g: g if isinstance(g, dict) else {"value": g})]
_OfRow = Annotated[_Given, BeforeValidator(lambda g: {"column": g} if isinstance(g, str) else g)]


class _Model(_Part):
    model_type: _OfModel
    model_name: _OfModel
    version: _OfModel
    config: dict[str, Any] | None = None


class _File(_Part):
    source: Annotated[Text, AfterValidator(_source)]
    destination: Literal[
        "ai_trading_signals",
        "rl_training_episodes",
        "genetic_generations",
        "spectrum_analysis",
        "market_bars",
    ]
    columns: dict[str, _OfRow]
    table: Text | None = None
    key: Annotated[
        list[Text] | None, BeforeValidator(lambda g: [g] if isinstance(g, str) else g)
    ] = None
    delimiter: Annotated[Text, AfterValidator(_delimiter)] | None = None
    nulls: list[Annotated[str, BeforeValidator(_text)]] | None = None
    timezone: Zone | None = None
    model: _Model | None = None


def read_mapping(path: Path) -> StoreMapping:
    """Read a mapping file; raise MappingError with every place that is wrong."""
    file = yaml_files.read(path, None, "", "--mapping", MappingError)
    assert file is not None  # noqa: S101 - it is asked for
    given = file.validated(TypeAdapter(_File), [*_File.model_fields, *_Given.model_fields])
    file.check(_faults(given))
    kinds, required, zone = FIELDS[given.destination], REQUIRED[given.destination], given.timezone
    return StoreMapping(
        file,
        given.source,
        given.destination,
        given.table,
        tuple(given.key or ()),
        given.delimiter or ",",
        frozenset((*(given.nulls or ()), "")),
        tuple(
            getattr(given.model, name).field(name, kind, True, zone)
            for name, kind in MODEL_FIELDS.items()
            if given.model
        ),
        (given.model.config if given.model else None) or {},
        tuple(
            each.field(name, kinds[name], name in required, zone)
            for name, each in given.columns.items()
        ),
    )


def _faults(given: _File) -> Iterator[tuple[yaml_files.Place, str]]:
    """Faults of values beside each other."""
    destination, kinds = given.destination, FIELDS[given.destination]
    if given.key and destination in NATURAL_KEYS:
        yield ("key",), f"is not needed: {REQUIRED[destination][0]} names a row of {destination}"
    if not given.key and destination not in NATURAL_KEYS:
        yield ("key",), f"is missing: the store's columns that name a row of {destination}"
    if given.model is None and destination != "market_bars":
        yield ("model",), f"is missing: {', '.join(MODEL_FIELDS)} of the rows' model"
    if given.model is not None and destination == "market_bars":
        yield ("model",), "is not needed: bars belong to no model"
    for name in REQUIRED[destination]:
        if name not in given.columns:
            yield ("columns", name), "is missing: every row needs one"
    for name, each in given.columns.items():
        if name in kinds:
            yield from _faults_of(("columns", name), kinds[name], each)
        else:
            yield ("columns", name), f"is no field: {', '.join(kinds)} are"
    if given.model is not None:
        for name, kind in MODEL_FIELDS.items():
            yield from _faults_of(("model", name), kind, getattr(given.model, name))


def _faults_of(
    place: yaml_files.Place, kind: str, given: _Given
) -> Iterator[tuple[yaml_files.Place, str]]:
    is_constant = given.value is not None
    if is_constant is (given.column is not None):
        yield place, "has either a column or a value"
    for option, only in {"format": TIME, "timezone": TIME, "decimals": DECIMAL}.items():
        if getattr(given, option) is not None and (is_constant or kind != only):
            yield (*place, option), f"goes with a column of a {only}"
    for option in ("default", "values"):
        if getattr(given, option) is not None and is_constant:
            yield (*place, option), "goes with a column"
    for option in ("value", "default"):
        constant = getattr(given, option)
        if kind == TEXT and not isinstance(constant, str | None):
            yield (*place, option), f"is no text: put {constant} in quotes"
