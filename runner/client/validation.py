"""Checks that a record can be stored exactly, before it is sent to a database.

Each function takes a record of :mod:`runner.client.records` and returns the values of its row, in
the order of the ``COLUMNS`` beside it, or raises InvalidRecordError. Nothing is rounded, cut or
replaced: a value that a column cannot hold exactly is refused.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any, Generic, TypeVar

from runner.client import values
from runner.client.limits import ANALYSIS_TYPES, MAX_NAME, MAX_SYMBOL, SIGNAL_TYPES, TIMEFRAME
from runner.client.records import Bar, Episode, Generation, Model, Signal, SpectrumResult
from runner.client.values import InvalidRecordError

Row = tuple[Any, ...]
T = TypeVar("T")


MODEL_COLUMNS = ("model_type", "model_name", "version", "config")


def model_row(model: Model) -> Row:
    """The values of a model version's row."""
    try:
        return (
            values.word("model_type", model.model_type),
            values.name("model_name", model.model_name, MAX_NAME),
            values.name("version", model.version, MAX_NAME),
            values.json_text("config", model.config, Mapping),
        )
    except values.RefusedError as refused:
        raise refused.of("model", None) from None


SIGNAL_COLUMNS = (
    "model_id", "idempotency_key", "symbol", "signal_type", "confidence", "price_target",
    "stop_loss", "take_profit", "metadata", "pattern_id", "expires_at", "created_at", "updated_at",
)  # fmt: skip


def signal_row(signal: Signal, key: str, index: int | None = None) -> Row:
    """The values of a signal's row; ``key`` is its idempotency key if it has none."""
    try:
        kind = values.one_of("signal_type", signal.signal_type, SIGNAL_TYPES)
        target, stop, take = signal.price_target, signal.stop_loss, signal.take_profit
        if target is not None:
            target = values.price("price_target", target)
        if stop is not None:
            stop = values.price("stop_loss", stop)
        if take is not None:
            take = values.price("take_profit", take)
            if stop is not None and kind != "HOLD":
                _check_barriers(kind, stop, take)
        created_at = values.time("created_at", signal.created_at)
        expires_at = signal.expires_at
        if expires_at is not None:
            expires_at = values.time("expires_at", expires_at)
            if expires_at <= created_at:
                values.refuse("expires_at", expires_at, f"is not after created_at {created_at}")
        return (
            values.id_("model_id", signal.model_id),
            key
            if signal.idempotency_key is None
            else values.text("idempotency_key", signal.idempotency_key, MAX_NAME),
            values.name("symbol", signal.symbol, MAX_SYMBOL),
            kind,
            values.share("confidence", signal.confidence),
            target,
            stop,
            take,
            values.json_text("metadata", signal.metadata, Mapping),
            None if signal.pattern_id is None else values.key("pattern_id", signal.pattern_id),
            expires_at,
            created_at,
            created_at,
        )
    except values.RefusedError as refused:
        raise refused.of("signal", index) from None


EPISODE_COLUMNS = (
    "model_id", "episode_number", "total_reward", "episode_length", "average_loss",
    "portfolio_value", "sharpe_ratio", "training_data", "created_at",
)  # fmt: skip


def episode_row(model_id: int, episode: Episode, index: int | None = None) -> Row:
    """The values of a training episode's row."""
    try:
        loss, value, sharpe = episode.average_loss, episode.portfolio_value, episode.sharpe_ratio
        return (
            values.id_("model_id", model_id),
            values.count("episode_number", episode.episode_number),
            values.double("total_reward", episode.total_reward),
            values.count("episode_length", episode.episode_length),
            None if loss is None else values.double("average_loss", loss),
            None if value is None else values.amount("portfolio_value", value),
            None if sharpe is None else values.double("sharpe_ratio", sharpe),
            values.json_text("training_data", episode.training_data, Mapping),
            values.time("created_at", episode.created_at),
        )
    except values.RefusedError as refused:
        raise refused.of("episode", index) from None


GENERATION_COLUMNS = (
    "model_id", "generation_number", "best_fitness", "average_fitness", "population_diversity",
    "best_individual", "created_at",
)  # fmt: skip


def generation_row(model_id: int, generation: Generation, index: int | None = None) -> Row:
    """The values of a generation's row."""
    try:
        diversity = generation.population_diversity
        if diversity is not None:
            diversity = values.double("population_diversity", diversity)
            if diversity < 0:
                values.refuse("population_diversity", diversity, "is negative")
        return (
            values.id_("model_id", model_id),
            values.count("generation_number", generation.generation_number),
            values.double("best_fitness", generation.best_fitness),
            values.double("average_fitness", generation.average_fitness),
            diversity,
            values.json_text("best_individual", generation.best_individual, Mapping),
            values.time("created_at", generation.created_at),
        )
    except values.RefusedError as refused:
        raise refused.of("generation", index) from None


SPECTRUM_COLUMNS = (
    "model_id", "symbol", "analysis_type", "dominant_frequencies", "pattern_confidence",
    "anomaly_score", "analysis_data", "created_at",
)  # fmt: skip


def spectrum_row(model_id: int, result: SpectrumResult, index: int | None = None) -> Row:
    """The values of a spectral analysis' row."""
    try:
        confidence, score = result.pattern_confidence, result.anomaly_score
        return (
            values.id_("model_id", model_id),
            values.name("symbol", result.symbol, MAX_SYMBOL),
            values.one_of("analysis_type", result.analysis_type, ANALYSIS_TYPES),
            values.json_text(
                "dominant_frequencies", result.dominant_frequencies, tuple | list, values.frequency
            ),
            None if confidence is None else values.share("pattern_confidence", confidence),
            None if score is None else values.double("anomaly_score", score),
            values.json_text("analysis_data", result.analysis_data, Mapping),
            values.time("created_at", result.created_at),
        )
    except values.RefusedError as refused:
        raise refused.of("spectrum result", index) from None


R = TypeVar("R", Episode, Generation, SpectrumResult)


@dataclass(frozen=True)
class Training(Generic[R]):
    """A kind of training records: its table, and the field that numbers a model's, if one does."""

    type: type[R]
    record: str
    table: str
    columns: tuple[str, ...]
    row: Callable[[int, R, int | None], Row]
    number: str | None


EPISODES = Training(
    Episode, "episode", "rl_training_episodes", EPISODE_COLUMNS, episode_row, "episode_number"
)
GENERATIONS = Training(
    Generation,
    "generation",
    "genetic_generations",
    GENERATION_COLUMNS,
    generation_row,
    "generation_number",
)
SPECTRA = Training(
    SpectrumResult, "spectrum result", "spectrum_analysis", SPECTRUM_COLUMNS, spectrum_row, None
)


BAR_COLUMNS = ("symbol", "timeframe", "opened_at", "open", "high", "low", "close", "volume")


def bar_row(bar: Bar, index: int | None = None) -> Row:
    """The values of a bar's row."""
    try:
        timeframe = values.text("timeframe", bar.timeframe, MAX_NAME)
        if not TIMEFRAME.fullmatch(timeframe):
            values.refuse("timeframe", timeframe, "is not a number and m, h, d or w, such as 15m")
        opened, high = values.price("open", bar.open), values.price("high", bar.high)
        low, close = values.price("low", bar.low), values.price("close", bar.close)
        if low > min(opened, close):
            values.refuse("low", low, f"is above open {opened} or close {close}")
        if high < max(opened, close):
            values.refuse("high", high, f"is below open {opened} or close {close}")
        volume = values.amount("volume", bar.volume)
        if volume < 0:
            values.refuse("volume", volume, "is negative")
        return (
            values.name("symbol", bar.symbol, MAX_SYMBOL),
            timeframe,
            values.time("opened_at", bar.opened_at),
            opened,
            high,
            low,
            close,
            volume,
        )
    except values.RefusedError as refused:
        raise refused.of("bar", index) from None


def checked_id(record: str, field: str, value: object) -> int:
    """An id that a caller gave."""
    return _checked(record, values.id_, field, value)


def checked_key(record: str, field: str, value: object) -> int | str:
    """A key of the platform that a caller gave."""
    return _checked(record, values.key, field, value)


def checked_time(record: str, field: str, value: object) -> datetime:
    """A time that a caller gave."""
    return _checked(record, values.time, field, value)


def checked_text(record: str, field: str, value: object) -> str:
    """A text that a caller gave."""
    return _checked(record, values.text, field, value, MAX_NAME)


def _checked(record: str, check: Callable[..., T], *arguments: object) -> T:
    try:
        return check(*arguments)
    except values.RefusedError as refused:
        raise refused.of(record, None) from None


def check_distinct(
    record: str, field: str, values: Iterable[object], shown: Iterable[object] | None = None
) -> None:
    """Refuse a bulk call that names one thing twice; the message shows ``shown`` for a value."""
    seen: dict[object, int] = {}
    names = list(values) if shown is None else list(shown)
    for index, value in enumerate(values):
        first = seen.setdefault(value, index)
        if first != index:
            reason = f"is that of {record} {first} as well"
            raise InvalidRecordError(record, field, names[index], reason, index)


def _check_barriers(kind: str, stop: Decimal, take: Decimal) -> None:
    if kind == "BUY" and not stop < take:
        values.refuse("stop_loss", stop, f"of a BUY is not below take_profit {take}")
    if kind == "SELL" and not stop > take:
        values.refuse("stop_loss", stop, f"of a SELL is not above take_profit {take}")


def row_as_json(columns: Iterable[str], row: Iterable[object]) -> str:
    """A checked row as the text of a JSON object, in the form that jsonb reads back exactly."""
    return f"{{{','.join(map(_member, columns, row))}}}"


_JSON_COLUMNS = frozenset(
    ("metadata", "training_data", "best_individual", "dominant_frequencies", "analysis_data")
)


def _member(column: str, value: object) -> str:
    if value is None:
        text = "null"
    elif column in _JSON_COLUMNS:
        text = str(value)  # it is JSON
    elif isinstance(value, datetime):
        text = f'"{value.isoformat()}"'
    elif isinstance(value, Decimal):
        # One form for one number, since rows are compared by their text.
        digits = f"{value:f}"
        text = f'"{digits.rstrip("0").rstrip(".") if "." in digits else digits}"'
    else:
        text = values.encode(value)
    return f'"{column}":{text}'
