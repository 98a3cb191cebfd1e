"""Converts a store's value to a field's value, exactly or not at all.

A store's value is a text, a number, a time, a bool, bytes, a list or dict, or None. The same fact
gives the same value from CSV, SQLite and Parquet.
"""

from __future__ import annotations

import json
import re
from datetime import UTC, date, datetime, timedelta, tzinfo
from decimal import Decimal, InvalidOperation, localcontext
from typing import Any, NoReturn
from uuid import UUID

from runner.client.limits import END_OF_TIME, FIRST_TIME

# More digits than any column keeps; Python's default of 28 is less.
_MOST_DIGITS = 60
_NUMBER = re.compile(r"[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]{1,3})?")
_NOT_FINITE = re.compile(r"[+-]?(nan|inf(inity)?)", re.IGNORECASE)
# As a store writes it that keeps integers as doubles, too.
_WHOLE = re.compile(r"-?[1-9][0-9]{0,18}(\.0+)?")
# Python would silently cut these digits off.
_FINER_THAN_MICROSECONDS = re.compile(r"[.,][0-9]{6}[0-9]*[1-9]")
_UNIX = {
    "unix": Decimal(1),
    "unix_ms": Decimal(1000),
    "unix_us": Decimal(1_000_000),
    "unix_ns": Decimal(1_000_000_000),
}
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)

TIME_FORMATS = ("iso", *_UNIX)


class ValueRefusedError(Exception):
    """A value does not fit its field; the message is the reason, after field and value."""


class Unreadable:
    """A placeholder for a value that its store could not return."""

    def __init__(self, reason: str) -> None:
        self.reason = reason

    def __repr__(self) -> str:
        return f"<unreadable: {self.reason}>"


def text_of(raw: object) -> str:
    """The text of a value that serves as a key, or as an entry of a value map."""
    if isinstance(raw, str):
        return raw
    if isinstance(raw, bool):
        return str(raw).lower()
    if isinstance(raw, datetime | date):
        return raw.isoformat()
    if isinstance(raw, int | float | Decimal):
        return str(raw)
    if isinstance(raw, bytes):
        return raw.hex()
    return _refuse("names nothing")


def to_text(raw: object) -> str:
    """A text; an integer counts as one, since a version may be stored so."""
    if isinstance(raw, str):
        return raw
    if isinstance(raw, int | Decimal) and not isinstance(raw, bool):
        return str(raw)
    if isinstance(raw, float):
        return repr(raw)
    return _refuse("is not a text")


def to_double(raw: object) -> float:
    """The double nearest to a decimal number, as every language reads it."""
    if isinstance(raw, float):
        return raw
    if isinstance(raw, str) and _NOT_FINITE.fullmatch(raw.strip()):
        return float("nan")
    return float(_number(raw))


def to_decimal(raw: object, decimals: int | None) -> Decimal:
    """A decimal number, rounded to ``decimals`` if given.

    A double becomes the shortest decimal that reads back as the same double.
    """
    number = _number(raw)
    if decimals is None or not number:
        return number
    try:
        with localcontext(prec=_MOST_DIGITS):
            return round(number, decimals)
    except InvalidOperation:
        return _refuse("is too large")


def to_integer(raw: object) -> int:
    """A whole number, also if a store keeps it as 3.0."""
    number = _number(raw)
    if number != number.to_integral_value():
        _refuse("is not an integer")
    if number.adjusted() > 30:
        _refuse("is too large")
    return int(number)


def to_key(raw: object) -> int | str:
    """A key of the platform, the same from every store: an integer, or another text.

    A text of digits counts as the integer that a typed store has, unless it begins with a zero.
    """
    if isinstance(raw, UUID):
        return str(raw)
    if isinstance(raw, str):
        text = raw.strip()
        return int(text.split(".")[0]) if _WHOLE.fullmatch(text) else text
    return to_integer(raw)


def to_json(raw: object) -> Any:
    """The value of a JSON text; a list or struct of a store stays as it is."""
    if not isinstance(raw, str):
        return raw
    try:
        return json.loads(
            raw, parse_float=_json_float, parse_constant=_json_constant, object_pairs_hook=_object
        )
    except json.JSONDecodeError as error:
        return _refuse(f"is not JSON: {error}")
    except (RecursionError, ValueError) as error:
        # Nested too deeply, or an integer of more digits than Python reads.
        return _refuse(f"is JSON that cannot be kept: {error}")


def to_time(raw: object, how: str, zone: tzinfo | None) -> datetime:
    """A time in UTC; a time without a zone is local time in ``zone``.

    ``how`` is one of TIME_FORMATS or a pattern of strptime. A local time that a change of the
    clocks skipped or repeated is refused: it names no single moment.
    """
    if isinstance(raw, datetime):
        moment = raw
    elif isinstance(raw, date):
        moment = datetime(raw.year, raw.month, raw.day)
    elif how in _UNIX:
        return _from_unix(_number(raw), how)
    else:
        moment = _parsed(raw, how)
    if moment.utcoffset() is None:
        moment = _localized(moment, zone)
    try:
        return moment.astimezone(UTC)
    except OverflowError:
        return _refuse("is out of range")


def _refuse(reason: str) -> NoReturn:
    raise ValueRefusedError(reason)


def _number(raw: object) -> Decimal:
    if isinstance(raw, str):
        text = raw.strip()
        if _NUMBER.fullmatch(text):
            return Decimal(text)
        if _NOT_FINITE.fullmatch(text):
            _refuse("is not a finite number")
        _refuse("is not a number: write digits with a decimal point")
    if isinstance(raw, bool):
        _refuse("is not a number")
    if isinstance(raw, int):
        return Decimal(raw)
    if isinstance(raw, float):
        raw = Decimal(repr(raw))
    if not isinstance(raw, Decimal):
        _refuse("is not a number")
    return raw if raw.is_finite() else _refuse("is not a finite number")


def _json_float(text: str) -> float:
    number = float(text)
    if number in (float("inf"), -float("inf")) or Decimal(repr(number)) != Decimal(text):
        _refuse(f"is JSON whose number {text[:40]} a double cannot keep")
    return number


def _json_constant(name: str) -> NoReturn:
    _refuse(f"is not JSON: {name}")


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    made = dict(pairs)
    if len(made) < len(pairs):
        _refuse("is JSON that names a key twice")
    return made


def _from_unix(number: Decimal, how: str) -> datetime:
    """A moment counted from 1970; if it lies in no valid year, other units are tried."""
    if number.adjusted() > 20:
        _refuse("is out of range")
    microseconds = number * 1_000_000 / _UNIX[how]
    moment = _moment(microseconds)
    if moment is None or not FIRST_TIME <= moment < END_OF_TIME:
        for other, a_second in _UNIX.items():
            fitting = _moment(number * 1_000_000 / a_second)
            if fitting is not None and FIRST_TIME <= fitting < END_OF_TIME:
                _refuse(f"is no time in {how}, but looks like {fitting:%Y-%m-%d} in {other}")
    if moment is None:
        _refuse("is out of range")
    if microseconds != microseconds.to_integral_value():
        _refuse("is finer than microseconds, which are kept")
    return moment


def _moment(microseconds: Decimal) -> datetime | None:
    try:
        return _EPOCH + timedelta(microseconds=int(microseconds))
    except OverflowError:
        return None


def _parsed(raw: object, how: str) -> datetime:
    if not isinstance(raw, str):
        _refuse("is not a text of a time: does the mapping name its format?")
    text = raw.strip()
    try:
        if how != "iso":
            return datetime.strptime(text, how)
        moment = datetime.fromisoformat(text)
    except ValueError:
        return _refuse(f"is not a time of the format {how}")
    if _FINER_THAN_MICROSECONDS.search(text):
        _refuse("is finer than microseconds, which are kept")
    return moment


def _localized(moment: datetime, zone: tzinfo | None) -> datetime:
    if zone is None:
        _refuse("has no time zone: name the store's `timezone` in the mapping")
    local = moment.replace(tzinfo=zone, fold=0)
    try:
        if local.utcoffset() != local.replace(fold=1).utcoffset():
            _refuse(f"was skipped or came twice when the clocks of {zone} changed")
    except OverflowError:
        _refuse("is out of range")
    return local
