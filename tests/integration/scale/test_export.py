"""Rows of PostgreSQL as Spark gets them: each value as the models treat it, all of one moment."""

from __future__ import annotations

import math
from collections.abc import Iterator
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from landscapes import Landscape
from pyarrow import parquet

from runner.errors import UsageError
from runner.platform import roles
from runner.scale import export
from runner.scale.export import write_snapshot
from runner.servers.contract import ai_tables

EXACT = Decimal("1234567890123456789.123456789012345678")
BEYOND = Decimal(9 * 10**19)


@pytest.fixture
def built(shared: Landscape) -> Iterator[Landscape]:
    """A replica on which a test makes models."""
    with shared.replica.connect(autocommit=True) as connection:
        connection.execute("create schema if not exists staging")
    yield shared
    with shared.replica.connect(autocommit=True) as connection:
        connection.execute("drop schema staging cascade")


def on_replica(landscape: Landscape, statement: str) -> None:
    with landscape.replica.connect(autocommit=True) as connection:
        connection.execute(statement)


def snapshot(landscape: Landscape, folder: Path) -> Path:
    with landscape.replica.connect() as connection:
        write_snapshot(connection, folder)
    return folder


def read(file: Path) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = parquet.read_table(file / "rows.parquet").to_pylist()
    return rows


VALUES: list[tuple[str, str, Any]] = [
    ("numeric", "1234567890123456789.123456789012345678", EXACT),
    ("numeric", "-0.000000000000000001", Decimal("-1e-18")),
    ("numeric", "NaN", BEYOND),
    ("numeric", "-Infinity", BEYOND),
    ("numeric", "12345678901234567890123456789012345678901", BEYOND),
    ("double precision", "0.1", 0.1),
    ("double precision", "5e-324", 5e-324),
    ("double precision", "-Infinity", -math.inf),
    ("real", "0.5", 0.5),
    ("bigint", "-9223372036854775808", -(2**63)),
    ("integer", "7", 7),
    ("smallint", "7", 7),
    ("boolean", "true", True),
    ("boolean", "false", False),
    ("text", "", ""),
    ("text", 'a "quoted", comma\nand a line — ✓', 'a "quoted", comma\nand a line — ✓'),
    ("text", "\\N", "\\N"),
    ("jsonb", '{"edge": [0.50, null]}', '{"edge": [0.50, null]}'),
    ("uuid", "00000000-0000-0000-0000-00000000000a", "00000000-0000-0000-0000-00000000000a"),
    ("date", "2025-01-31", date(2025, 1, 31)),
    ("date", "infinity", date.max),
    ("date", "-infinity", date.min),
    (
        "timestamp with time zone",
        "2025-01-01 02:00:00.123456+02",
        datetime(2025, 1, 1, 0, 0, 0, 123456, UTC),
    ),
    (
        "timestamp with time zone",
        "1969-12-31 23:59:59.999999+00",
        datetime(1969, 12, 31, 23, 59, 59, 999999, UTC),
    ),
    ("timestamp with time zone", "infinity", datetime.max.replace(tzinfo=UTC)),
    ("timestamp with time zone", "-infinity", datetime.min.replace(tzinfo=UTC)),
]
"""Types, texts as PostgreSQL reads them, and what arrives."""


def test_values_arrive_as_the_models_treat_them(built: Landscape, tmp_path: Path) -> None:
    columns = ", ".join(f"v{place} {kind}" for place, (kind, _, _) in enumerate(VALUES))
    with built.replica.connect(autocommit=True) as connection:
        connection.execute(f"create table staging.stg_ai__models ({columns})")
        connection.execute("insert into staging.stg_ai__models default values")
        connection.execute(
            f"insert into staging.stg_ai__models values ({', '.join(['%s'] * len(VALUES))})",
            [text for _, text, _ in VALUES],
        )
    nulls, values = read(snapshot(built, tmp_path) / "expected/stg_ai__models")
    assert set(nulls.values()) == {None}
    assert list(values.values()) == [expected for _, _, expected in VALUES]


def test_a_table_of_one_column_keeps_its_nulls(built: Landscape, tmp_path: Path) -> None:
    on_replica(built, "create table staging.stg_ai__models as values ('a'), (null), ('')")
    rows = read(snapshot(built, tmp_path) / "expected/stg_ai__models")
    assert rows == [{"column1": "a"}, {"column1": None}, {"column1": ""}]


def test_an_empty_table_keeps_its_types(built: Landscape, tmp_path: Path) -> None:
    on_replica(built, "create table staging.stg_ai__models (at timestamptz, price numeric)")
    table = parquet.read_table(snapshot(built, tmp_path) / "expected/stg_ai__models/rows.parquet")
    assert [str(kind) for kind in table.schema.types] == [
        "timestamp[us, tz=UTC]",
        "decimal128(38, 18)",
    ]
    assert table.num_rows == 0


def test_all_tables_are_of_one_moment(
    built: Landscape, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tables = ("stg_ai__market_bars", "stg_ai__models")
    for table in tables:
        on_replica(built, f"create table staging.{table} (number integer)")
    write = export._export

    def write_while_rows_come(*arguments: Any) -> None:
        write(*arguments)
        for table in tables:
            on_replica(built, f"insert into staging.{table} values (1)")

    monkeypatch.setattr(export, "_export", write_while_rows_come)
    folder = snapshot(built, tmp_path)
    assert [read(folder / "expected" / table) for table in tables] == [[], []]


def test_the_raw_tables_are_all_there(built: Landscape, tmp_path: Path) -> None:
    folder = snapshot(built, tmp_path / "first")
    assert {file.name for file in (folder / "raw").iterdir()} == {
        *(table.name for table in ai_tables()),
        *roles.ROLES,
    }
    on_replica(built, "alter table public.market_bars rename to market_bars_of_old")
    try:
        with pytest.raises(UsageError, match=r"public\.market_bars is not there: run signal-marts"):
            snapshot(built, tmp_path / "second")
    finally:
        on_replica(built, "alter table public.market_bars_of_old rename to market_bars")
