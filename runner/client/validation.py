"""Checks that a record can be stored exactly, before it is sent to a database.

Each function takes a record of :mod:`runner.client.records` and returns the values of its row, in
the order of the ``COLUMNS`` beside it, or raises InvalidRecordError. Nothing is rounded, cut or
replaced: a value that a column cannot hold exactly is refused.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Mapping
from datetime import datetime
from decimal import Decimal
from numbers import Integral, Real
from typing import Any, NoReturn, TypeVar
from uuid import UUID

from runner.client.limits import (
    ANALYSIS_TYPES,
    END_OF_TIME,
    FIRST_TIME,
    FIRST_YEAR,
    LAST_YEAR,
    MAX_AMOUNT,
    MAX_COUNT,
    MAX_DOUBLE,
    MAX_ID,
    MAX_JSON_BYTES,
    MAX_JSON_DEPTH,
    MAX_NAME,
    MAX_SYMBOL,
    MIN_DOUBLE,
    PRICE_DECIMALS,
    SIGNAL_TYPES,
    TIMEFRAME,
    WORD,
)
from runner.client.records import Bar, Episode, Generation, Model, Signal, SpectrumResult
from runner.errors import UsageError

# An escaped NUL: an even number of backslashes before it belongs to the text.
_NUL = re.compile(r"(?<!\\)(?:\\\\)*\\u0000")
_BLANK = r"\u0020\u00a0\u1680\u2000-\u200a\u202f\u205f\u3000"
_INVISIBLE = r"\u0001-\u001f\u007f-\u009f\u200b-\u200f\u2028-\u202e\u2060\ufeff"
_NO_NAME = re.compile(rf"\A[{_BLANK}]|[{_INVISIBLE}]|[{_BLANK}]\Z")
_SHOWN = 80

Row = tuple[Any, ...]
T = TypeVar("T")


class InvalidRecordError(UsageError):
    """A record cannot be stored: the record, the field, its value and the reason.

    Attributes:
        record: kind of record, such as ``signal``.
        index: its place in a bulk call, from 0; None for a single one.
        field: name of the field.
        value: the refused value.
        reason: why it is refused.
        problem: field, value and reason, as in the message.
    """

    def __init__(
        self, record: str, field: str, value: object, reason: str, index: int | None = None
    ) -> None:
        which = record if index is None else f"{record} {index}"
        self.problem = f"{field} {_shown(value)} {reason}"
        super().__init__(f"{which}: {self.problem}")
        self.record = record
        self.index = index
        self.field = field
        self.value = value
        self.reason = reason


MODEL_COLUMNS = ("model_type", "model_name", "version", "config")


def model_row(model: Model) -> Row:
    """The values of a model version's row."""
    try:
        return (
            _word("model_type", model.model_type),
            _name("model_name", model.model_name, MAX_NAME),
            _name("version", model.version, MAX_NAME),
            _json("config", model.config, Mapping),
        )
    except _RefusedError as refused:
        raise refused.of("model", None) from None


SIGNAL_COLUMNS = (
    "model_id", "idempotency_key", "symbol", "signal_type", "confidence", "price_target",
    "stop_loss", "take_profit", "metadata", "pattern_id", "expires_at", "created_at", "updated_at",
)  # fmt: skip


def signal_row(signal: Signal, key: str, index: int | None = None) -> Row:
    """The values of a signal's row; ``key`` is its idempotency key if it has none."""
    try:
        kind = _one_of("signal_type", signal.signal_type, SIGNAL_TYPES)
        target, stop, take = signal.price_target, signal.stop_loss, signal.take_profit
        if target is not None:
            target = _price("price_target", target)
        if stop is not None:
            stop = _price("stop_loss", stop)
        if take is not None:
            take = _price("take_profit", take)
            if stop is not None and kind != "HOLD":
                _check_barriers(kind, stop, take)
        created_at = _time("created_at", signal.created_at)
        expires_at = signal.expires_at
        if expires_at is not None:
            expires_at = _time("expires_at", expires_at)
            if expires_at <= created_at:
                _refuse("expires_at", expires_at, f"is not after created_at {created_at}")
        return (
            _id("model_id", signal.model_id),
            key
            if signal.idempotency_key is None
            else _text("idempotency_key", signal.idempotency_key, MAX_NAME),
            _name("symbol", signal.symbol, MAX_SYMBOL),
            kind,
            _share("confidence", signal.confidence),
            target,
            stop,
            take,
            _json("metadata", signal.metadata, Mapping),
            None if signal.pattern_id is None else _key("pattern_id", signal.pattern_id),
            expires_at,
            created_at,
            created_at,
        )
    except _RefusedError as refused:
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
            _id("model_id", model_id),
            _count("episode_number", episode.episode_number),
            _double("total_reward", episode.total_reward),
            _count("episode_length", episode.episode_length),
            None if loss is None else _double("average_loss", loss),
            None if value is None else _amount("portfolio_value", value),
            None if sharpe is None else _double("sharpe_ratio", sharpe),
            _json("training_data", episode.training_data, Mapping),
            _time("created_at", episode.created_at),
        )
    except _RefusedError as refused:
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
            diversity = _double("population_diversity", diversity)
            if diversity < 0:
                _refuse("population_diversity", diversity, "is negative")
        return (
            _id("model_id", model_id),
            _count("generation_number", generation.generation_number),
            _double("best_fitness", generation.best_fitness),
            _double("average_fitness", generation.average_fitness),
            diversity,
            _json("best_individual", generation.best_individual, Mapping),
            _time("created_at", generation.created_at),
        )
    except _RefusedError as refused:
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
            _id("model_id", model_id),
            _name("symbol", result.symbol, MAX_SYMBOL),
            _one_of("analysis_type", result.analysis_type, ANALYSIS_TYPES),
            _json("dominant_frequencies", result.dominant_frequencies, tuple | list, _frequency),
            None if confidence is None else _share("pattern_confidence", confidence),
            None if score is None else _double("anomaly_score", score),
            _json("analysis_data", result.analysis_data, Mapping),
            _time("created_at", result.created_at),
        )
    except _RefusedError as refused:
        raise refused.of("spectrum result", index) from None


BAR_COLUMNS = ("symbol", "timeframe", "opened_at", "open", "high", "low", "close", "volume")


def bar_row(bar: Bar, index: int | None = None) -> Row:
    """The values of a bar's row."""
    try:
        timeframe = _text("timeframe", bar.timeframe, MAX_NAME)
        if not TIMEFRAME.fullmatch(timeframe):
            _refuse("timeframe", timeframe, "is not a number and m, h, d or w, such as 15m")
        opened, high = _price("open", bar.open), _price("high", bar.high)
        low, close = _price("low", bar.low), _price("close", bar.close)
        if low > min(opened, close):
            _refuse("low", low, f"is above open {opened} or close {close}")
        if high < max(opened, close):
            _refuse("high", high, f"is below open {opened} or close {close}")
        volume = _amount("volume", bar.volume)
        if volume < 0:
            _refuse("volume", volume, "is negative")
        return (
            _name("symbol", bar.symbol, MAX_SYMBOL),
            timeframe,
            _time("opened_at", bar.opened_at),
            opened,
            high,
            low,
            close,
            volume,
        )
    except _RefusedError as refused:
        raise refused.of("bar", index) from None


def checked_id(record: str, field: str, value: object) -> int:
    """An id that a caller gave."""
    return _checked(record, _id, field, value)


def checked_key(record: str, field: str, value: object) -> int | str:
    """A key of the platform that a caller gave."""
    return _checked(record, _key, field, value)


def checked_time(record: str, field: str, value: object) -> datetime:
    """A time that a caller gave."""
    return _checked(record, _time, field, value)


def checked_text(record: str, field: str, value: object, limit: int = MAX_NAME) -> str:
    """A text that a caller gave."""
    return _checked(record, _text, field, value, limit)


def _checked(record: str, check: Callable[..., T], *arguments: object) -> T:
    try:
        return check(*arguments)
    except _RefusedError as refused:
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


# --- values -----------------------------------------------------------------------------------


class _RefusedError(Exception):
    """A field's value is refused; the caller adds the record."""

    def __init__(self, field: str, value: object, reason: str) -> None:
        super().__init__(field)
        self.field = field
        self.value = value
        self.reason = reason

    def of(self, record: str, index: int | None) -> InvalidRecordError:
        return InvalidRecordError(record, self.field, self.value, self.reason, index)


def _refuse(field: str, value: object, reason: str) -> NoReturn:
    raise _RefusedError(field, value, reason)


def _shown(value: object) -> str:
    """A value as a message shows it: its repr, without lone surrogates."""
    try:
        text = str(value) if isinstance(value, Decimal | datetime) else repr(value)
    except Exception:  # a record may hold anything
        text = f"<{type(value).__name__}>"
    return text if len(text) <= _SHOWN else f"{text[:_SHOWN]}…"


def _text(field: str, value: object, limit: int) -> str:
    if type(value) is not str:
        if not isinstance(value, str):
            _refuse(field, value, "is not a text")
        # psycopg would store an enumeration's name rather than its value.
        value = str.__str__(value)
    if not value:
        _refuse(field, value, "is empty")
    if len(value) > limit:
        _refuse(field, value, f"has {len(value)} characters: at most {limit} are kept")
    if "\0" in value:
        _refuse(field, value, "holds a NUL character, which PostgreSQL cannot store")
    if not value.isascii():
        try:
            value.encode()
        except UnicodeEncodeError:
            _refuse(field, value, "holds half of a surrogate pair, which is no character")
    return value


def _name(field: str, value: object, limit: int) -> str:
    name = _text(field, value, limit)
    if _NO_NAME.search(name):
        _refuse(field, name, "has a blank at an end, or a character that nobody sees")
    return name


def _word(field: str, value: object) -> str:
    word = _text(field, value, MAX_NAME)
    if not WORD.fullmatch(word):
        _refuse(field, word, _NO_WORD)
    return word


_NO_WORD = (
    "is not a word of at most 64 lower-case letters, digits and underscores, the first a letter"
)


def _one_of(field: str, value: object, names: tuple[str, ...]) -> str:
    if isinstance(value, str) and value in names:
        # The name itself: psycopg would store an enumeration's.
        return names[names.index(value)]
    return _refuse(field, value, f"is not one of {', '.join(names)}")


def _number(field: str, value: object) -> float:
    if type(value) is not float:
        if isinstance(value, bool) or not isinstance(value, Real):
            _refuse(field, value, "is not a float")
        try:
            number = float(value)
        except OverflowError:
            number = float("inf")
        # NaN is not equal to itself, and is refused below.
        if number != value and number == number:
            _refuse(field, value, "does not fit a float exactly")
        value = number
    # NaN lies in no range.
    if not -float("inf") < value < float("inf"):
        _refuse(field, value, "is not a finite number")
    return value


def _double(field: str, value: object) -> float:
    number = _number(field, value)
    if number and not MIN_DOUBLE <= abs(number) <= MAX_DOUBLE:
        _refuse(field, number, _NO_DOUBLE)
    return number


_NO_DOUBLE = f"is neither 0 nor of a magnitude from {MIN_DOUBLE} to {MAX_DOUBLE}"


def _share(field: str, value: object) -> float:
    number = _double(field, value)
    if not 0.0 <= number <= 1.0:
        _refuse(field, number, "is not in 0 to 1")
    return number


def _amount(field: str, value: object) -> Decimal:
    if type(value) is not Decimal:
        if not isinstance(value, bool) and isinstance(value, Integral):
            value = Decimal(int(value))
        elif not isinstance(value, Decimal):
            _refuse(field, value, "is not a Decimal: a float would be rounded")
    if not value.is_finite():
        _refuse(field, value, "is not a finite number")
    if not value:
        return Decimal(0)
    if not -MAX_AMOUNT < value < MAX_AMOUNT:
        _refuse(field, value, f"is too large: below {MAX_AMOUNT} is kept")
    sign, digits, exponent = value.as_tuple()
    surplus = -PRICE_DECIMALS - int(exponent)
    if surplus <= 0:
        return value
    if any(digits[-surplus:]):
        _refuse(field, value, f"has more than {PRICE_DECIMALS} decimals: round it as you mean it")
    # Trailing zeros: PostgreSQL accepts no more than 16,383 of them.
    return Decimal((sign, digits[:-surplus], -PRICE_DECIMALS))


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
        text = _encode(value)
    return f'"{column}":{text}'


def _price(field: str, value: object) -> Decimal:
    price = _amount(field, value)
    if price <= 0:
        _refuse(field, value, "is not above 0")
    return price


def _check_barriers(kind: str, stop: Decimal, take: Decimal) -> None:
    if kind == "BUY" and not stop < take:
        _refuse("stop_loss", stop, f"of a BUY is not below take_profit {take}")
    if kind == "SELL" and not stop > take:
        _refuse("stop_loss", stop, f"of a SELL is not above take_profit {take}")


def _time(field: str, value: object) -> datetime:
    if not isinstance(value, datetime):
        _refuse(field, value, "is not a datetime")
    if value.tzinfo is None or value.utcoffset() is None:
        _refuse(field, value, "has no time zone: give it in UTC, as datetime.now(UTC)")
    if not FIRST_TIME <= value < END_OF_TIME:
        _refuse(field, value, f"is not in the years {FIRST_YEAR} to {LAST_YEAR}")
    # A subclass of another library may count nanoseconds, which PostgreSQL would round.
    if type(value) is not datetime and getattr(value, "nanosecond", False):
        _refuse(field, value, "has nanoseconds: microseconds are kept")
    return value


def _id(field: str, value: object) -> int:
    if value is None:
        _refuse(field, value, "is missing")
    number = _integer(field, value)
    if not 1 <= number <= MAX_ID:
        _refuse(field, value, "is not an id")
    return number


def _key(field: str, value: object) -> int | str:
    """A key of the platform; the column's type decides, in the database, whether it can be one."""
    if isinstance(value, UUID):
        return str(value)
    if isinstance(value, str):
        return _text(field, value, MAX_NAME)
    if isinstance(value, bool) or not isinstance(value, Integral):
        _refuse(field, value, "is not an integer, a text or a UUID")
    return _id(field, value)


def _count(field: str, value: object) -> int:
    number = _integer(field, value)
    if not 0 <= number <= MAX_COUNT:
        _refuse(field, value, f"is not in 0 to {MAX_COUNT}")
    return number


def _integer(field: str, value: object) -> int:
    if type(value) is int:
        return value
    if isinstance(value, bool) or not isinstance(value, Integral):
        _refuse(field, value, "is not an integer")
    return int(value)


# --- JSON -------------------------------------------------------------------------------------

# With the same blanks as PostgreSQL writes, so that both sides count the same size.
_encode = json.JSONEncoder(ensure_ascii=False, allow_nan=False, separators=(", ", ": ")).encode

# Numbers that PostgreSQL writes differently: a double with an exponent, or a zero with a sign.
_OTHERWISE = re.compile(r"[0-9]e[+-]?[0-9]|-0\.0")

_Number = Callable[[str, object], float]


def _json_number(path: str, value: object) -> float:
    """A number unchanged: an integer may have more digits than a double, but within its range."""
    if not isinstance(value, Integral):
        return _number(path, value)
    try:
        float(value)
    except OverflowError:
        _refuse(path, value, "is larger than any double")
    return int(value)


def _frequency(path: str, value: object) -> float:
    """A number that the marts read as a double."""
    number = _json_number(path, value)
    if isinstance(number, int):
        # Of a float of this size the last digits are not zero.
        if abs(number) > 10**100:
            _refuse(path, number, _NO_DOUBLE)
        return number
    return _double(path, number)


def _json(field: str, value: object, kind: Any, number: _Number = _json_number) -> str:
    """The JSON text of a value; jsonb changes only the order of its keys."""
    if not isinstance(value, kind):
        expected = "mapping" if kind is Mapping else "tuple"
        _refuse(field, value, f"is not a {expected}")
    # The common case needs no recursion: nothing is nested, and the encoder knows the types.
    if type(value) is not dict or not _is_plain(value):
        value = _jsonable(field, value, 0, number)
    try:
        text = _encode(value)
        size = len(text) if text.isascii() else len(text.encode())
    except UnicodeEncodeError:
        _refuse(field, value, "holds half of a surrogate pair, which is no character")
    except (TypeError, ValueError) as error:
        _refuse(field, value, f"has no JSON: {error}")
    if _OTHERWISE.search(text):
        size += _surplus(text)
    if size > MAX_JSON_BYTES:
        _refuse(field, value, f"is {size} bytes of JSON: at most {MAX_JSON_BYTES} are kept")
    if "\\u0000" in text and _NUL.search(text):
        _refuse(field, value, "holds a NUL character, which PostgreSQL cannot store")
    return text


def _surplus(text: str) -> int:
    """How many more characters PostgreSQL needs for the doubles of a JSON text."""
    found: list[int] = []

    def measure(double: str) -> float:
        # The plus takes the sign from a zero.
        found.append(len(format(+Decimal(double), "f")) - len(double))
        return 0.0

    json.loads(text, parse_float=measure)
    return sum(found)


_PLAIN = frozenset((str, float, bool, type(None)))


def _is_plain(value: dict[Any, Any]) -> bool:
    """Whether all values have the encoder's types, and no integer exceeds a double's range."""
    return all(type(k) is str for k in value) and all(
        type(v) in _PLAIN or (type(v) is int and -MAX_ID <= v <= MAX_ID) for v in value.values()
    )


def _printable(key: str) -> str:
    name = key if key.isidentifier() else ascii(key)
    return name if len(name) <= _SHOWN else f"{name[:_SHOWN]}…"


def _jsonable(path: str, value: object, depth: int, number: _Number) -> object:
    """The value in dicts and lists; refuse a value that JSON would change, with its path."""
    if depth > MAX_JSON_DEPTH:
        _refuse(path[:_SHOWN], "…", f"is nested deeper than {MAX_JSON_DEPTH} levels")
    if isinstance(value, Mapping):
        for key in value:
            if not isinstance(key, str):
                _refuse(path, key, "is a key that is not a text")
        return {
            str.__str__(key): _jsonable(f"{path}.{_printable(key)}", item, depth + 1, number)
            for key, item in value.items()
        }
    if isinstance(value, list | tuple):
        return [_jsonable(f"{path}[{n}]", item, depth + 1, number) for n, item in enumerate(value)]
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, str):
        return str.__str__(value)
    if isinstance(value, Real):
        return number(path, value)
    return _refuse(path, value, f"is a {type(value).__name__}, for which JSON has no form")
