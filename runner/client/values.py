"""Values of a record's fields: each check returns the value as it is stored, or refuses it."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from datetime import datetime
from decimal import Decimal
from numbers import Integral, Real
from typing import Any, NoReturn
from uuid import UUID

from runner.client.limits import (
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
    MIN_DOUBLE,
    PRICE_DECIMALS,
    WORD,
)
from runner.errors import UsageError

# An escaped NUL: an even number of backslashes before it belongs to the text.
_NUL = re.compile(r"(?<!\\)(?:\\\\)*\\u0000")
_BLANK = r"\u0020\u00a0\u1680\u2000-\u200a\u202f\u205f\u3000"
_INVISIBLE = r"\u0001-\u001f\u007f-\u009f\u200b-\u200f\u2028-\u202e\u2060\ufeff"
_NO_NAME = re.compile(rf"\A[{_BLANK}]|[{_INVISIBLE}]|[{_BLANK}]\Z")
_SHOWN = 80


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


class RefusedError(Exception):
    """A field's value is refused; the caller adds the record."""

    def __init__(self, field: str, value: object, reason: str) -> None:
        super().__init__(field)
        self.field = field
        self.value = value
        self.reason = reason

    def of(self, record: str, index: int | None) -> InvalidRecordError:
        return InvalidRecordError(record, self.field, self.value, self.reason, index)


def refuse(field: str, value: object, reason: str) -> NoReturn:
    raise RefusedError(field, value, reason)


def _shown(value: object) -> str:
    """A value as a message shows it: its repr, without lone surrogates."""
    try:
        text = str(value) if isinstance(value, Decimal | datetime) else repr(value)
    except Exception:  # a record may hold anything
        text = f"<{type(value).__name__}>"
    return text if len(text) <= _SHOWN else f"{text[:_SHOWN]}…"


def text(field: str, value: object, limit: int) -> str:
    if type(value) is not str:
        if not isinstance(value, str):
            refuse(field, value, "is not a text")
        # psycopg would store an enumeration's name rather than its value.
        value = str.__str__(value)
    if not value:
        refuse(field, value, "is empty")
    if len(value) > limit:
        refuse(field, value, f"has {len(value)} characters: at most {limit} are kept")
    if "\0" in value:
        refuse(field, value, "holds a NUL character, which PostgreSQL cannot store")
    if not value.isascii():
        try:
            value.encode()
        except UnicodeEncodeError:
            refuse(field, value, "holds half of a surrogate pair, which is no character")
    return value


def name(field: str, value: object, limit: int) -> str:
    found = text(field, value, limit)
    if _NO_NAME.search(found):
        refuse(field, found, "has a blank at an end, or a character that nobody sees")
    return found


def word(field: str, value: object) -> str:
    found = text(field, value, MAX_NAME)
    if not WORD.fullmatch(found):
        refuse(field, found, _NO_WORD)
    return found


_NO_WORD = (
    "is not a word of at most 64 lower-case letters, digits and underscores, the first a letter"
)


def one_of(field: str, value: object, names: tuple[str, ...]) -> str:
    if isinstance(value, str) and value in names:
        # The name itself: psycopg would store an enumeration's.
        return names[names.index(value)]
    return refuse(field, value, f"is not one of {', '.join(names)}")


def _number(field: str, value: object) -> float:
    if type(value) is not float:
        if isinstance(value, bool) or not isinstance(value, Real):
            refuse(field, value, "is not a float")
        try:
            number = float(value)
        except OverflowError:
            number = float("inf")
        # NaN is not equal to itself, and is refused below.
        if number != value and number == number:
            refuse(field, value, "does not fit a float exactly")
        value = number
    # NaN lies in no range.
    if not -float("inf") < value < float("inf"):
        refuse(field, value, "is not a finite number")
    return value


def double(field: str, value: object) -> float:
    number = _number(field, value)
    if number and not MIN_DOUBLE <= abs(number) <= MAX_DOUBLE:
        refuse(field, number, _NO_DOUBLE)
    return number


_NO_DOUBLE = f"is neither 0 nor of a magnitude from {MIN_DOUBLE} to {MAX_DOUBLE}"


def share(field: str, value: object) -> float:
    number = double(field, value)
    if not 0.0 <= number <= 1.0:
        refuse(field, number, "is not in 0 to 1")
    return number


def amount(field: str, value: object) -> Decimal:
    if type(value) is not Decimal:
        if not isinstance(value, bool) and isinstance(value, Integral):
            value = Decimal(int(value))
        elif not isinstance(value, Decimal):
            refuse(field, value, "is not a Decimal: a float would be rounded")
    if not value.is_finite():
        refuse(field, value, "is not a finite number")
    if not value:
        return Decimal(0)
    if not -MAX_AMOUNT < value < MAX_AMOUNT:
        refuse(field, value, f"is too large: below {MAX_AMOUNT} is kept")
    sign, digits, exponent = value.as_tuple()
    surplus = -PRICE_DECIMALS - int(exponent)
    if surplus <= 0:
        return value
    if any(digits[-surplus:]):
        refuse(field, value, f"has more than {PRICE_DECIMALS} decimals: round it as you mean it")
    # Trailing zeros: PostgreSQL accepts no more than 16,383 of them.
    return Decimal((sign, digits[:-surplus], -PRICE_DECIMALS))


def price(field: str, value: object) -> Decimal:
    found = amount(field, value)
    if found <= 0:
        refuse(field, value, "is not above 0")
    return found


def time(field: str, value: object) -> datetime:
    if not isinstance(value, datetime):
        refuse(field, value, "is not a datetime")
    if value.tzinfo is None or value.utcoffset() is None:
        refuse(field, value, "has no time zone: give it in UTC, as datetime.now(UTC)")
    if not FIRST_TIME <= value < END_OF_TIME:
        refuse(field, value, f"is not in the years {FIRST_YEAR} to {LAST_YEAR}")
    # A subclass of another library may count nanoseconds, which PostgreSQL would round.
    if type(value) is not datetime and getattr(value, "nanosecond", False):
        refuse(field, value, "has nanoseconds: microseconds are kept")
    return value


def id_(field: str, value: object) -> int:
    if value is None:
        refuse(field, value, "is missing")
    number = _integer(field, value)
    if not 1 <= number <= MAX_ID:
        refuse(field, value, "is not an id")
    return number


def key(field: str, value: object) -> int | str:
    """A key of the platform; the column's type decides, in the database, whether it can be one."""
    if isinstance(value, UUID):
        return str(value)
    if isinstance(value, str):
        return text(field, value, MAX_NAME)
    if isinstance(value, bool) or not isinstance(value, Integral):
        refuse(field, value, "is not an integer, a text or a UUID")
    return id_(field, value)


def count(field: str, value: object) -> int:
    number = _integer(field, value)
    if not 0 <= number <= MAX_COUNT:
        refuse(field, value, f"is not in 0 to {MAX_COUNT}")
    return number


def _integer(field: str, value: object) -> int:
    if type(value) is int:
        return value
    if isinstance(value, bool) or not isinstance(value, Integral):
        refuse(field, value, "is not an integer")
    return int(value)


# --- JSON -------------------------------------------------------------------------------------

# With the same blanks as PostgreSQL writes, so that both sides count the same size.
encode = json.JSONEncoder(ensure_ascii=False, allow_nan=False, separators=(", ", ": ")).encode

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
        refuse(path, value, "is larger than any double")
    return int(value)


def frequency(path: str, value: object) -> float:
    """A number that the marts read as a double."""
    number = _json_number(path, value)
    if isinstance(number, int):
        # Of a float of this size the last digits are not zero.
        if abs(number) > 10**100:
            refuse(path, number, _NO_DOUBLE)
        return number
    return double(path, number)


def json_text(field: str, value: object, kind: Any, number: _Number = _json_number) -> str:
    """The JSON text of a value; jsonb changes only the order of its keys."""
    if not isinstance(value, kind):
        expected = "mapping" if kind is Mapping else "tuple"
        refuse(field, value, f"is not a {expected}")
    # The common case needs no recursion: nothing is nested, and the encoder knows the types.
    if type(value) is not dict or not _is_plain(value):
        value = _jsonable(field, value, 0, number)
    try:
        text = encode(value)
        size = len(text) if text.isascii() else len(text.encode())
    except UnicodeEncodeError:
        refuse(field, value, "holds half of a surrogate pair, which is no character")
    except (TypeError, ValueError) as error:
        refuse(field, value, f"has no JSON: {error}")
    if _OTHERWISE.search(text):
        size += _surplus(text)
    if size > MAX_JSON_BYTES:
        refuse(field, value, f"is {size} bytes of JSON: at most {MAX_JSON_BYTES} are kept")
    if "\\u0000" in text and _NUL.search(text):
        refuse(field, value, "holds a NUL character, which PostgreSQL cannot store")
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
        refuse(path[:_SHOWN], "…", f"is nested deeper than {MAX_JSON_DEPTH} levels")
    if isinstance(value, Mapping):
        for key in value:
            if not isinstance(key, str):
                refuse(path, key, "is a key that is not a text")
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
    return refuse(path, value, f"is a {type(value).__name__}, for which JSON has no form")
