"""Verdicts on what replays and inserts have touched."""

from __future__ import annotations

import pytest

from runner.advice.proof import (
    BEYOND,
    InsertCost,
    Inserted,
    Proof,
    Replayed,
    lines,
    of_dropped_index,
    of_new_index,
    up_to,
)

READ, WRITE = "select * from fills where symbol = $1", "update fills set price = $1 where id = $2"
INSERTS = Inserted(500, InsertCost(10, 1, 400), InsertCost(12, 1, 500))


def replayed(
    before: float, after: float, *, text: str = READ, calls: float | None = 10, used: bool = True
) -> Replayed:
    return Replayed(text, (), calls, before, after, 1, 1, used)


@pytest.mark.parametrize(
    ("verdict", "saved", "statements", "writes"),
    [
        ("gain", 9_800, [replayed(1000, 10)], 50),
        ("gain", None, [replayed(1000, 10, calls=None)], 50),
        # Nobody has deleted a parent yet.
        ("gain", -100, [replayed(1000, 10, calls=0)], 50),
        ("no gain", -90_100, [replayed(1000, 10)], 50_000),
        ("no gain", -60, [replayed(10, 6)], 50),
        ("no gain", -100, [replayed(1000, 1000, used=False)], 50),
        ("harmful", 8_900, [replayed(1000, 10), replayed(10, 100)], 50),
        # Writes touch more with any index.
        ("gain", 8_900, [replayed(1000, 10), replayed(10, 100, text=WRITE)], 50),
        ("no gain", -800_200, [replayed(1000, 10), replayed(1, 82, text=WRITE, calls=1e4)], 50),
        ("not proven", None, [], 50),
    ],
)
def test_a_new_index(
    verdict: str, saved: float | None, statements: list[Replayed], writes: float
) -> None:
    told = of_new_index(statements, [], INSERTS, writes)
    assert (told[0], told[2]) == (verdict, saved)


@pytest.mark.parametrize(
    ("verdict", "saved", "statements", "not_replayed", "is_safe"),
    [
        ("gain", 100, [replayed(10, 10)], [], False),
        ("gain", 60, [replayed(10, 14)], [], False),
        ("harmful", None, [replayed(10, 100)], [], False),
        ("harmful", None, [replayed(10, 100, text=WRITE)], [], True),
        ("not proven", None, [], [], False),
        ("gain", 100, [], [], True),
        ("not proven", None, [replayed(10, 10)], [(READ, "its values")], False),
        ("gain", 100, [replayed(10, 10)], [(READ, "its values")], True),
    ],
)
def test_a_dropped_index(
    verdict: str,
    saved: float | None,
    statements: list[Replayed],
    not_replayed: list[tuple[str, str]],
    is_safe: bool,
) -> None:
    told = of_dropped_index(statements, not_replayed, INSERTS, 50, is_safe=is_safe)
    assert (told[0], told[2]) == (verdict, saved)


@pytest.mark.parametrize(
    ("verdict", "why", "drawn", "on_copy"),
    [
        ("gain", "because (not proven beyond 4,000 rows)", "gain", "gain"),
        ("harmful", "because (not proven beyond 4,000 rows)", "harmful", "harmful"),
        ("not proven", "not proven beyond 4,000 rows", "gain", "no gain"),
        ("not proven", "not proven beyond 4,000 rows", "harmful", "gain"),
        ("not proven", "not proven beyond 4,000 rows", "no gain", "no gain"),
        ("not proven", "because", "not proven", "not proven"),
    ],
)
def test_a_table_that_a_copy_is_not_drawn_on_to(
    verdict: str, why: str, drawn: str, on_copy: str
) -> None:
    told = up_to(4000, (drawn, "because", 7), (on_copy, "because", 1))
    assert told == (verdict, why, None)


def test_rows_and_statements_that_were_left_out_are_told() -> None:
    left_out = (("select 1", "its values"), *((f"select {n}", BEYOND) for n in range(9)))
    told = [*lines(Proof("gain", "it is", 200, 9000, 4000, not_replayed=left_out))]
    assert told[1:] == [
        "on a copy of 200 of 9,000 rows, drawn on to 4,000 of them",
        "not replayed: its values: select 1",
        "not replayed: beyond the 20 costliest: 9 statements",
    ]
