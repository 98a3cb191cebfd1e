"""Values of old stores: taken exactly, or refused."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from runner.store_import.values import (
    ValueRefusedError,
    to_decimal,
    to_double,
    to_integer,
    to_json,
    to_text,
    to_time,
)

ZONE = ZoneInfo("Europe/Berlin")
NOON = datetime(2024, 7, 1, 10, tzinfo=UTC)


@pytest.mark.parametrize(
    ("raw", "how", "zone"),
    [
        ("2024-07-01T12:00:00", "iso", ZONE),
        ("2024-07-01 12:00", "iso", ZONE),
        ("2024-07-01T10:00:00Z", "iso", None),
        ("2024-07-01T12:00:00.000000000+02:00", "iso", None),
        ("1719828000", "unix", None),
        (1719828000, "unix", None),
        (1719828000.0, "unix", None),
        ("1719828000000", "unix_ms", None),
        (1719828000000000, "unix_us", None),
        ("01.07.2024 12:00", "%d.%m.%Y %H:%M", ZONE),
        (datetime(2024, 7, 1, 12), "iso", ZONE),
        (NOON, "iso", None),
    ],
)
def test_times(raw: object, how: str, zone: ZoneInfo | None) -> None:
    assert to_time(raw, how, zone) == NOON


def test_a_date_is_its_midnight() -> None:
    assert to_time(date(2024, 7, 1), "iso", ZONE) == datetime(2024, 6, 30, 22, tzinfo=UTC)


EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
UNITS = {"unix": 1, "unix_ms": 10**3, "unix_us": 10**6, "unix_ns": 10**9}


@settings(deadline=None)
@given(st.datetimes(datetime(1971, 1, 1), datetime(2199, 12, 31)))
def test_unix_times_are_exact(moment: datetime) -> None:
    moment = moment.replace(tzinfo=UTC)
    count = (moment - EPOCH) // timedelta(microseconds=1)
    assert to_time(count, "unix_us", None) == moment
    assert to_time(count * 1000, "unix_ns", None) == moment
    assert to_time(f"{count // 10**6}.{count % 10**6:06}", "unix", None) == moment


@settings(deadline=None)
@given(
    st.datetimes(datetime(1971, 1, 1), datetime(2199, 12, 31)),
    st.sampled_from(list(UNITS)),
    st.sampled_from(list(UNITS)),
)
def test_a_time_in_another_unit_is_never_a_wrong_time(
    moment: datetime, stored: str, declared: str
) -> None:
    moment = moment.replace(microsecond=0, tzinfo=UTC)
    count = (moment - EPOCH) // timedelta(seconds=1) * UNITS[stored]
    for raw in (count, str(count), f"{count}.0", Decimal(count)):
        if stored == declared:
            assert to_time(raw, declared, None) == moment
        else:
            problem = f"is no time in {declared}, but looks like {moment:%Y-%m-%d} in {stored}"
            with pytest.raises(ValueRefusedError, match=problem):
                to_time(raw, declared, None)


@pytest.mark.parametrize(
    ("convert", "reason"),
    [
        (lambda: to_time("2024-07-01 12:00", "iso", None), "has no time zone"),
        (lambda: to_time("2024-03-31 02:30", "iso", ZONE), "skipped or came twice"),
        (lambda: to_time("2024-10-27 02:30", "iso", ZONE), "skipped or came twice"),
        (lambda: to_time("2024-07-01T10:00:00.1234567Z", "iso", None), "finer than micro"),
        (lambda: to_time("1719828000.0000001", "unix", None), "finer than micro"),
        (lambda: to_time("1e30", "unix", None), "out of range"),
        (lambda: to_time(1735603200, "unix_ms", None), "looks like 2024-12-31 in unix"),
        (lambda: to_time("yesterday", "iso", None), "is not a time of the format iso"),
        (lambda: to_time(5, "iso", None), "is not a text of a time"),
        (lambda: to_time("0001-01-01 00:00", "iso", ZONE), "is out of range"),
        (lambda: to_double("1,5"), "is not a number: write digits"),
        (lambda: to_double("1_000"), "is not a number: write digits"),
        (lambda: to_double(True), "is not a number"),
        (lambda: to_double(b"1"), "is not a number"),
        (lambda: to_decimal("inf", None), "is not a finite number"),
        (lambda: to_decimal(float("nan"), None), "is not a finite number"),
        (lambda: to_integer("1.5"), "is not an integer"),
        (lambda: to_integer("1e300"), "is too large"),
        (lambda: to_text(b"x"), "is not a text"),
        (lambda: to_json("{"), "is not JSON"),
        (lambda: to_json("[NaN]"), "is not JSON: NaN"),
        (lambda: to_json("[" * 100_000), "cannot be kept"),
        (lambda: to_json("[1.00000000000000000001]"), "a double cannot keep"),
        (lambda: to_json("[1e999]"), "a double cannot keep"),
        (lambda: to_json('{"a": 1, "a": 2}'), "names a key twice"),
    ],
)
def test_what_is_not_exact_is_refused(convert: Callable[[], object], reason: str) -> None:
    with pytest.raises(ValueRefusedError, match=reason):
        convert()


def test_a_price_that_a_double_holds_is_what_it_was_given() -> None:
    assert to_decimal(64250.1, None) == Decimal("64250.1")
    assert to_decimal(0.1 + 0.2, None) == Decimal("0.30000000000000004")
    assert to_decimal(0.1 + 0.2, 8) == Decimal("0.3")
