"""The mapping file: the fields for an old store's columns.

The whole file is checked before a row is read. An unknown key is refused: a misspelt key would
silently leave its setting at the default.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import UTC, tzinfo
from pathlib import Path
from typing import Any, NoReturn
from zoneinfo import ZoneInfo

import yaml

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

_SOURCE_NAME = re.compile(r"[a-z0-9][a-z0-9._-]{0,59}")
_KEYS = (
    "source", "destination", "table", "key", "delimiter", "nulls", "timezone", "model", "columns",
)  # fmt: skip
_OPTIONS = ("column", "value", "default", "values", "format", "timezone", "decimals")


class MappingError(UsageError):
    """A mapping file is invalid: the place, the problem and the fix."""

    def __init__(self, path: Path, place: str, problem: str) -> None:
        super().__init__(f"{path}: {place}: {problem}" if place else f"{path}: {problem}")


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
    default: Any = None
    values: Mapping[str, str] | None = None
    format: str = "iso"
    zone: tzinfo | None = None
    decimals: int | None = None


@dataclass(frozen=True, slots=True)
class StoreMapping:
    """A mapping file that was read and checked.

    ``source_name`` and the values of the ``key`` columns identify a row: by them a second import
    finds it.
    """

    path: Path
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
        named = [(f"columns.{field.name}", field.column) for field in self.fields]
        named += [(f"model.{field.name}", field.column) for field in self.model]
        named += [("key", column) for column in self.key]
        wanted = {column: place for place, column in named if column is not None}
        for column, place in wanted.items():
            if column not in columns:
                _refuse(
                    self.path, place, f"the store has no column {column!r}; it has "
                    f"{', '.join(columns)[:1_000]}"
                )  # fmt: skip
        if not wanted:
            _refuse(self.path, "columns", "names no column of the store")
        return list(wanted)


def read_mapping(path: Path) -> StoreMapping:
    """Read a mapping file; raise MappingError with the place that is wrong."""
    try:
        document = yaml.load(path.read_text("utf-8"), Loader=_StrictLoader)  # noqa: S506
    except OSError as error:
        _refuse(path, "", f"cannot be read ({error.strerror})")
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        _refuse(path, "", f"is no YAML: {' '.join(str(error).split())}")
    top = _Section(path, "", document, _KEYS)
    destination = top.one_of("destination", FIELDS)
    source_name = top.text("source")
    if not _SOURCE_NAME.fullmatch(source_name):
        top.refuse("source", "is a name of up to 60 of a-z, 0-9, dot, dash and underscore")
    key = top.get("key", [])
    key = [key] if isinstance(key, str) else key
    if not (isinstance(key, list) and all(isinstance(name, str) for name in key)):
        top.refuse("key", "is a list of the store's columns that name a row")
    if bool(key) is (destination in NATURAL_KEYS):
        top.refuse(
            "key",
            f"{destination} needs none: {REQUIRED[destination][0]} names a row"
            if key
            else f"is missing: the store's columns that name a row of {destination}",
        )
    zone = _zone(top, top.get("timezone"))
    model, config = _model(top, destination, zone)
    return StoreMapping(
        path,
        source_name,
        destination,
        None if top.get("table") is None else top.text("table"),
        tuple(key),
        _delimiter(top),
        _nulls(top),
        model,
        config,
        _fields(top, FIELDS[destination], REQUIRED[destination], zone),
    )


def _model(
    top: _Section, destination: str, zone: tzinfo | None
) -> tuple[tuple[Field, ...], Mapping[str, Any]]:
    if destination == "market_bars":
        if top.get("model") is not None:
            top.refuse("model", "bars belong to no model: take it out")
        return (), {}
    section = _Section(top.path, "model", top.get("model"), (*MODEL_FIELDS, "config"))
    config = section.get("config", {})
    if not isinstance(config, dict):
        section.refuse("config", "is a mapping")
    # A plain value is a constant here; under columns it is a column's name.
    fields = tuple(
        _field(
            section, name, kind, zone, True,
            given if isinstance(given := section.get(name), dict) else {"value": given},
        )
        for name, kind in MODEL_FIELDS.items()
    )  # fmt: skip
    return fields, config


def _fields(
    top: _Section, kinds: Mapping[str, str], required: Collection[str], zone: tzinfo | None
) -> tuple[Field, ...]:
    section = _Section(top.path, "columns", top.get("columns"), kinds)
    for name in required:
        if section.get(name) is None:
            section.refuse(name, "is missing: every row needs one")
    return tuple(
        _field(
            section, name, kinds[name], zone, name in required,
            {"column": given} if isinstance(given, str) else given,
        )
        for name, given in section.items()
    )  # fmt: skip


def _field(
    section: _Section,
    name: str,
    kind: str,
    zone: tzinfo | None,
    is_required: bool,
    given: object,
) -> Field:
    options = _Section(section.path, f"{section.place}.{name}", given, _OPTIONS)
    column = None if options.get("column") is None else options.text("column")
    is_constant = options.get("value") is not None
    if is_constant is (column is not None):
        section.refuse(name, "has either a column or a value")
    for option, kinds in {"format": (TIME,), "timezone": (TIME,), "decimals": (DECIMAL,)}.items():
        if options.get(option) is not None and (is_constant or kind not in kinds):
            options.refuse(option, f"goes with a column of a {kinds[0]}")
    for option in ("default", "values"):
        if options.get(option) is not None and is_constant:
            options.refuse(option, "goes with a column")
    how = options.get("format", "iso")
    if not isinstance(how, str) or (how not in TIME_FORMATS and "%" not in how):
        options.refuse("format", f"is {', '.join(TIME_FORMATS)} or a pattern such as %d.%m.%Y")
    decimals = options.get("decimals")
    if decimals is not None and (type(decimals) is not int or not 0 <= decimals <= PRICE_DECIMALS):
        options.refuse("decimals", f"is a number of 0 to {PRICE_DECIMALS}")
    return Field(
        name,
        kind,
        is_required,
        column,
        _constant(options, "value" if is_constant else "default", kind),
        _value_map(options),
        how,
        _zone(options, options.get("timezone")) or zone,
        decimals,
    )


def _value_map(options: _Section) -> Mapping[str, str] | None:
    given = options.get("values")
    if given is None:
        return None
    if not isinstance(given, dict) or not given:
        options.refuse("values", "is a mapping of the store's values to ours")
    for theirs, ours in given.items():
        if not isinstance(theirs, str | int) or isinstance(theirs, bool) or type(ours) is not str:
            options.refuse("values", f"put {theirs!r} and {ours!r} in quotes: each is a text")
    return {str(theirs): ours for theirs, ours in given.items()}


def _constant(options: _Section, name: str, kind: str) -> Any:
    """A constant in the form of a store's value; a mapping or list is JSON."""
    given = options.get(name)
    # YAML would read the version 1.10 as a number, and the symbol ON as a bool.
    if kind == TEXT and not isinstance(given, str | None):
        options.refuse(name, f"put {given} in quotes: it is a text")
    return given


def _zone(section: _Section, name: object) -> tzinfo | None:
    if name is None:
        return None
    if name == "UTC":
        return UTC
    try:
        return ZoneInfo(str(name))
    except (OSError, ValueError, KeyError):  # of which the last is "not found"
        return section.refuse("timezone", f"{name!r} is no time zone, such as UTC or Europe/Berlin")


def _delimiter(top: _Section) -> str:
    given = top.get("delimiter", ",")
    if not isinstance(given, str) or len(given) != 1 or given in '"\r\n':
        top.refuse("delimiter", "is one sign, such as ';'")
    return given


def _nulls(top: _Section) -> frozenset[str]:
    given = top.get("nulls", [""])
    if not isinstance(given, list) or not all(isinstance(text, str) for text in given):
        top.refuse("nulls", 'is a list of texts in quotes that mean "nothing is there"')
    return frozenset((*given, ""))


class _Section:
    """A mapping of the file, whose keys are known."""

    def __init__(self, path: Path, place: str, given: object, known: Collection[str]) -> None:
        self.path, self.place = path, place
        if not isinstance(given, dict):
            _refuse(path, place, f"is missing or no mapping; it has {', '.join(known)}")
        for key in given:
            if key not in known:
                self.refuse(str(key), f"is not known; known are {', '.join(known)}")
        self._given = given

    def get(self, name: str, default: Any = None) -> Any:
        value = self._given.get(name)
        return default if value is None else value

    def items(self) -> list[tuple[str, Any]]:
        return list(self._given.items())

    def text(self, name: str) -> str:
        value = self.get(name)
        if not isinstance(value, str) or not value:
            return self.refuse(name, "is missing or no text")
        return value

    def one_of(self, name: str, known: Collection[str]) -> str:
        value = self.text(name)
        return value if value in known else self.refuse(name, f"is one of {', '.join(known)}")

    def refuse(self, name: str, problem: str) -> NoReturn:
        _refuse(self.path, f"{self.place}.{name}" if self.place else name, problem)


def _refuse(path: Path, place: str, problem: str) -> NoReturn:
    raise MappingError(path, place, problem)


class _StrictLoader(yaml.SafeLoader):
    """YAML with unique keys: a second one would silently replace the first."""


def _strict_mapping(loader: _StrictLoader, node: yaml.MappingNode) -> dict[Any, Any]:
    keys = [loader.construct_object(key, deep=True) for key, _ in node.value]
    for key in keys:
        if not isinstance(key, str | int | float | bool):
            raise yaml.constructor.ConstructorError(None, None, "a key is no text", node.start_mark)
        if keys.count(key) > 1:
            raise yaml.constructor.ConstructorError(
                None, None, f"{key!r} comes twice", node.start_mark
            )
    return loader.construct_mapping(node, deep=True)


_StrictLoader.add_constructor(yaml.resolver.BaseResolver.DEFAULT_MAPPING_TAG, _strict_mapping)
