from __future__ import annotations

import gzip
import os
from collections.abc import Callable
from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal
from functools import partial
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from runner.client.records import Bar
from runner.client.validation import BAR_COLUMNS
from runner.errors import UsageError
from runner.settings import PROJECT
from runner.store_import.bars import BarFileError, load_bars, read_bars

HEADER = ",".join(BAR_COLUMNS)
ROW = "BTCUSD,1h,2025-01-01T00:00:00Z,100,110,90,105,12.5"
REAL_BARS = Path(os.environ.get("SIGNAL_MARTS_BARS", PROJECT.parent / "shared/data/market"))

Write = Callable[..., Path]
# Without the time of day: the bytes are in the tests' names, which every worker must agree on.
zipped = partial(gzip.compress, mtime=0)


@pytest.fixture
def write(tmp_path: Path) -> Write:
    def write_lines(*lines: str, name: str = "bars.csv") -> Path:
        path = tmp_path / name
        path.write_text("\n".join(lines) + "\n", encoding="utf-8")
        return path

    return write_lines


def problem_of(path: Path) -> str:
    with pytest.raises(UsageError) as caught:
        read_bars(path)
    message = str(caught.value)
    assert message.startswith(str(path))
    assert len(message.splitlines()) == 1
    return message.removeprefix(str(path))


def row(**changes: str) -> str:
    fields = dict(zip(BAR_COLUMNS, ROW.split(","), strict=True)) | changes
    return ",".join(fields.values())


def test_reads_a_bar_with_exact_prices_in_utc(write: Write) -> None:
    path = write(HEADER, row(opened_at="2025-01-01T02:00:00+02:00", close="105.00000001"))
    assert read_bars(path) == [
        Bar(
            symbol="BTCUSD",
            timeframe="1h",
            opened_at=datetime(2025, 1, 1, tzinfo=UTC),
            open=Decimal(100),
            high=Decimal(110),
            low=Decimal(90),
            close=Decimal("105.00000001"),
            volume=Decimal("12.5"),
        )
    ]
    assert read_bars(path)[0].opened_at.tzinfo is UTC


def test_columns_come_in_any_order_among_others(write: Write) -> None:
    lines = [HEADER, ROW]
    shuffled = [",".join([*reversed(line.split(",")), "more"]) for line in lines]
    assert read_bars(write(*shuffled)) == read_bars(write(*lines, name="plain.csv"))


def test_spreadsheet_habits_are_accepted(write: Write, tmp_path: Path) -> None:
    plain = read_bars(write(HEADER, ROW))
    path = tmp_path / "excel.csv"
    quoted = ",".join(f'"{name.upper()}"' for name in BAR_COLUMNS)
    for encoding in ("utf-8", "utf-16-le", "utf-16-be"):
        path.write_bytes(f"\ufeff{quoted}\r\n\r\n{ROW}\r\n\r\n".encode(encoding))
        assert read_bars(path) == plain


def test_the_content_says_whether_a_file_is_compressed(tmp_path: Path, write: Write) -> None:
    plain = write(HEADER, ROW, name="named.csv.gz")
    compressed = tmp_path / "named.csv"
    compressed.write_bytes(zipped(plain.read_bytes()))
    assert read_bars(compressed) == read_bars(plain)


def test_zeros_at_the_end_are_no_decimals(write: Write) -> None:
    assert read_bars(write(HEADER, row(open="100.0000000000")))[0].open == 100


@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        ({"close": "abc"}, "close 'abc' is not a number"),
        ({"close": ""}, "close '' is not a number"),
        ({"close": "1_0"}, "close '1_0' is not a number"),
        ({"close": "١٠٥"}, "is not a number"),
        ({"close": "NaN"}, "close 'NaN' is not a finite number"),
        ({"high": "Infinity"}, "high 'Infinity' is not a finite number"),
        ({"low": "-inf"}, "low '-inf' is not a finite number"),
        ({"low": "-90"}, "low -90 is not above 0"),
        ({"low": "0"}, "low 0 is not above 0"),
        ({"low": "0e-3"}, "low 0.000 is not above 0"),
        ({"volume": "-1"}, "volume -1 is negative"),
        ({"close": "105." + "0" * 18 + "1"}, "has more than 18 decimals: round it as you mean it"),
        ({"close": "105." + "0" * 60 + "1"}, "has more than 18 decimals"),
        ({"volume": "1e-19"}, "volume 1E-19 has more than 18 decimals"),
        ({"high": "1000000000000000"}, "high 1000000000000000 is too large"),
        ({"volume": "1e15"}, "volume 1E+15 is too large"),
        ({"high": "1e99999"}, "high '1e99999' is not a number"),
        ({"high": "80"}, "high 80 is below open 100 or close 105"),
        ({"open": "111"}, "high 110 is below open 111 or close 105"),
        ({"close": "89"}, "low 90 is above open 100 or close 89"),
        ({"timeframe": "1y"}, "timeframe '1y'"),
        ({"timeframe": "0h"}, "timeframe '0h'"),
        ({"timeframe": "10000m"}, "timeframe '10000m'"),
        ({"opened_at": "yesterday"}, "opened_at 'yesterday' is not a time of the format iso"),
        ({"opened_at": "2025-02-30T00:00:00Z"}, "is not a time of the format iso"),
        ({"opened_at": "2025-01-01T00:00:00"}, "has no time zone"),
        ({"opened_at": "2025-01-01"}, "has no time zone"),
        ({"opened_at": "0001-01-01T00:00:00+01:00"}, "is out of range"),
        ({"opened_at": "2200-01-01T00:00:00Z"}, "is not in the years 1971 to 2199"),
        ({"opened_at": "1970-12-31T23:59:59Z"}, "is not in the years 1971 to 2199"),
        ({"opened_at": "1735603200000"}, "is not a time of the format iso"),
        ({"symbol": " "}, "symbol '' is empty"),
        ({"symbol": "B\u200bTC"}, "a character that nobody sees"),
        ({"symbol": "B" * 65}, "has 65 characters: at most 64 are kept"),
        ({"symbol": "BTC,USD"}, "9 fields where the header has 8"),
        ({"volume": "1,5"}, "9 fields where the header has 8"),
        ({"symbol": '"BTC'}, "not well-formed CSV"),
    ],
)
def test_a_wrong_row_is_named_with_its_line(
    write: Write, changes: dict[str, str], problem: str
) -> None:
    message = problem_of(write(HEADER, ROW.replace("BTCUSD", "ETHUSD"), row(**changes)))
    assert message.startswith(", line 3: ")
    assert problem in message


@pytest.mark.parametrize(
    ("hour", "problem"),
    [
        ("01", "a second BTCUSD 1h bar opened at 2025-01-01T01:00:00+00:00; remove"),
        ("00", "comes after that of 2025-01-01T01:00:00+00:00; sort the rows"),
    ],
)
def test_times_ascend_within_a_symbol(write: Write, hour: str, problem: str) -> None:
    first = row(opened_at="2025-01-01T01:00:00Z")
    other = row(symbol="ETHUSD", opened_at="2025-01-01T00:00:00Z")
    second = row(opened_at=f"2025-01-01T{hour}:00:00Z")
    message = problem_of(write(HEADER, first, other, second))
    assert message.startswith(", line 4: ")
    assert problem in message


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        (b"", "there is no header"),
        (b"\n  \n", "there is no header"),
        (HEADER.encode(), ": there are no bars"),
        (b"symbol,close\nBTCUSD,1\n", ": missing columns timeframe, opened_at, open"),
        (f"{HEADER.replace(',volume', '')}\n".encode(), ": missing column volume;"),
        (f"{HEADER},Close\n{ROW},1\n".encode(), "names close twice"),
        (HEADER.replace(",", ";").encode(), "separated by commas"),
        (b"PK\x03\x04\x00\x00", "is a zip archive"),
        (f"{HEADER}\n{ROW}\n".encode("utf-16-le"), "is no CSV in UTF-8"),
        (f"{HEADER}\n{ROW}\n".encode("utf-16")[:-1], "is damaged or cut off after line"),
        (
            zipped(f"{HEADER}\n{ROW}\n".encode() + b"1" * 50_000_000),
            "a row of 4,194,304 characters",
        ),
        (f'{HEADER}\n"{"1" * 2 * 10**6}'.encode(), "field larger than field limit"),
        (f"{HEADER}\nBTC\xe9,".encode("latin-1"), "line 2: the row has 2 fields where"),
        (zipped(f"{HEADER}\n{ROW}\n".encode())[:-9], "damaged or cut off"),
        (zipped(b"x" * 1000)[:12] + b"\xff" * 20, "damaged or cut off"),
        (b"\x1f\x8b", "damaged or cut off"),
        (zipped(b""), "there is no header"),
        (zipped(zipped(b"")), "is no CSV in UTF-8"),
    ],
)
def test_a_file_that_holds_no_bars_is_refused(tmp_path: Path, content: bytes, problem: str) -> None:
    path = tmp_path / "bars.csv"
    path.write_bytes(content)
    assert problem in problem_of(path)


def test_more_bars_than_memory_holds_are_refused(
    write: Write, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("runner.store_import.bars._MOST_BARS", 1)
    second = row(opened_at="2025-01-01T01:00:00Z")
    assert len(read_bars(write(HEADER, ROW))) == 1
    assert "there are more than 1 bars; give fewer" in problem_of(write(HEADER, ROW, second))


def test_a_path_that_is_no_file_is_refused(tmp_path: Path) -> None:
    assert "cannot be read (No such file or directory)" in problem_of(tmp_path / "missing.csv")
    assert "cannot be read (Is a directory)" in problem_of(tmp_path)
    with pytest.raises(UsageError, match="cannot be read"):
        read_bars(tmp_path / "nul\0.csv")


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root reads all")
def test_a_file_without_permission_is_refused(write: Write) -> None:
    path = write(HEADER, ROW)
    path.chmod(0)
    assert "cannot be read" in problem_of(path)


def test_several_files_make_one_market_in_order_of_closing(write: Write) -> None:
    daily = write(HEADER, row(symbol="IBM", timeframe="1d"), name="daily.csv")
    hourly = write(
        HEADER,
        ROW,
        row(opened_at="2025-01-01T23:00:00Z"),
        row(opened_at="2025-01-02T00:00:00Z"),
        name="hourly.csv",
    )
    bars = load_bars([daily, hourly])
    assert [(bar.symbol, bar.closed_at.day, bar.closed_at.hour) for bar in bars] == [
        ("BTCUSD", 1, 1),
        ("BTCUSD", 2, 0),
        ("IBM", 2, 0),
        ("BTCUSD", 2, 1),
    ]
    assert load_bars([]) == []


def test_a_symbol_comes_from_one_file_in_one_timeframe(write: Write) -> None:
    one = write(HEADER, ROW, name="one.csv")
    same = write(HEADER, ROW, name="same.csv")
    daily = write(HEADER, row(timeframe="1d"), name="daily.csv")
    both = write(HEADER, ROW, row(timeframe="1d"), name="both.csv")
    with pytest.raises(BarFileError, match=r"same.csv: BTCUSD 1h is in \S*one.csv as well"):
        load_bars([one, same])
    with pytest.raises(
        BarFileError, match=r"daily.csv: BTCUSD comes in 1d and in \S*one.csv in 1h"
    ):
        load_bars([one, daily])
    with pytest.raises(BarFileError, match=r"both.csv: BTCUSD comes in 1d and in 1h"):
        load_bars([both])
    assert len(read_bars(both)) == 2


@pytest.mark.skipif(
    not list(REAL_BARS.glob("*.csv.gz")),
    reason="no real bars: set SIGNAL_MARTS_BARS to a folder of *.csv.gz",
)
def test_real_bars_are_read() -> None:
    paths = sorted(REAL_BARS.glob("*.csv.gz"))
    bars = load_bars(paths)
    assert len(bars) == sum(len(read_bars(path)) for path in paths)
    assert all(one.closed_at <= other.closed_at for one, other in pairwise(bars))


prices = st.decimals(min_value="1e-18", max_value="999999999999999", places=18, allow_nan=False)
symbols = st.text(st.characters(exclude_categories=["C", "Z"]), min_size=1, max_size=12)
timeframes = st.builds("{}{}".format, st.integers(1, 9999), st.sampled_from("mhdw"))


@st.composite
def markets(draw: st.DrawFn) -> list[Bar]:
    keys = draw(st.lists(st.tuples(symbols, timeframes), min_size=1, max_size=3, unique=True))
    bars = []
    for symbol, timeframe in keys:
        times = st.datetimes(
            datetime(1971, 1, 2),
            datetime(2199, 12, 30),
            timezones=st.just(UTC),
        )
        for opened_at in sorted(draw(st.lists(times, min_size=1, max_size=4, unique=True))):
            low, one, other, high = sorted(draw(st.tuples(prices, prices, prices, prices)))
            open_, close = draw(st.permutations([one, other]))
            volume = draw(st.decimals(0, 10**15 - 1, places=18))
            bars.append(Bar(symbol, timeframe, opened_at, open_, high, low, close, volume))
    return bars


@settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(bars=markets(), compressed=st.booleans(), offset=st.integers(-12, 14))
def test_any_bars_are_read_back(
    tmp_path: Path, bars: list[Bar], compressed: bool, offset: int
) -> None:
    zone = timezone(timedelta(hours=offset))
    lines = [HEADER]
    for bar in bars:
        values = [getattr(bar, name) for name in BAR_COLUMNS]
        values[2] = bar.opened_at.astimezone(zone).isoformat()
        # A comma or a quote in a symbol is written as CSV has it.
        lines.append(",".join('"' + str(value).replace('"', '""') + '"' for value in values))
    content = "\n".join(lines).encode()
    path = tmp_path / "bars"
    path.write_bytes(gzip.compress(content) if compressed else content)
    assert read_bars(path) == bars


def _mangled(content: bytes) -> st.SearchStrategy[bytes]:
    return st.builds(
        lambda start, stop, middle: content[:start] + middle + content[stop:],
        st.integers(0, len(content)),
        st.integers(0, len(content)),
        st.binary(max_size=8) | st.text('0123456789eE+-.,"\r\n;', max_size=8).map(str.encode),
    )


VALID = f"{HEADER}\n{ROW}\n{ROW.replace('T00', 'T01')}\n".encode()


@settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(content=st.binary() | _mangled(VALID) | _mangled(zipped(VALID)))
def test_any_bytes_are_read_or_refused(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "bars"
    path.write_bytes(content)
    try:
        bars = read_bars(path)
    except UsageError as error:
        message = str(error)
    else:
        message = f"{len(bars)} bars"
    assert len(message.splitlines()) == 1


def test_bars_are_read_from_parquet(write: Write, tmp_path: Path) -> None:
    from pyarrow import csv, parquet

    path = tmp_path / "bars.parquet"
    parquet.write_table(csv.read_csv(write(HEADER, ROW)), path)
    assert read_bars(path) == read_bars(write(HEADER, ROW))
