"""A key of the platform is the same from a CSV file as from a store with types."""

from __future__ import annotations

from decimal import Decimal
from uuid import UUID

import pytest

from runner.store_import.values import ValueRefusedError, to_key

PLAN = UUID("0b2c1f6e-6d7a-4a52-9d2e-0f7f2c9b8a11")


@pytest.mark.parametrize(
    ("raw", "key"),
    [
        ("42", 42),
        (42, 42),
        (42.0, 42),
        ("42.0", 42),
        (" 42 ", 42),
        (Decimal("42.000"), 42),
        ("-1", -1),
        ("007", "007"),
        ("0", "0"),
        ("9" * 30, "9" * 30),
        ("4.5", "4.5"),
        ("4e2", "4e2"),
        ("T-42", "T-42"),
        (PLAN, str(PLAN)),
        (str(PLAN), str(PLAN)),
    ],
)
def test_one_key_from_every_store(raw: object, key: int | str) -> None:
    assert to_key(raw) == key
    assert type(to_key(raw)) is type(key)


@pytest.mark.parametrize("raw", [True, 4.5, float("nan"), b"\0", ["x"], {}])
def test_what_is_no_key(raw: object) -> None:
    with pytest.raises(ValueRefusedError):
        to_key(raw)
