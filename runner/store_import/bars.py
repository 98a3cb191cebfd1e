"""Price bars from CSV files: all of a file is checked before any of it is used."""

from __future__ import annotations

import csv
import gzip
import re
import zlib
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import NoReturn

from runner.client.records import Bar
from runner.client.validation import BAR_COLUMNS, FIRST_YEAR, LAST_YEAR, MAX_SYMBOL, TIMEFRAME
from runner.errors import UsageError
from runner.store_import.csv_lines import Lines

_NUMBER = re.compile(r"[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]{1,4})?")
_NOT_FINITE = re.compile(r"[+-]?(s?nan[0-9]*|inf(inity)?)", re.IGNORECASE)
# A thousand megabytes of memory, and a day of the demo.
_MOST_BARS = 1_000_000
_DECIMALS = 8
_TICK = Decimal(1).scaleb(-_DECIMALS)
# Digits before the point.
_PRICE_DIGITS = 12
_VOLUME_DIGITS = 20


class BarFileError(UsageError):
    """A file of bars cannot be used: which one, at which line, why, and the mend."""

    def __init__(self, path: Path, problem: str, line: int | None = None) -> None:
        name = str(path) if str(path).isprintable() else repr(str(path))
        self.path, self.line = path, line
        super().__init__(f"{name}, line {line}: {problem}" if line else f"{name}: {problem}")


def load_bars(paths: Sequence[Path]) -> list[Bar]:
    """Read several files of bars as one market.

    Returns:
        All bars, sorted by the time they closed and then by symbol.

    Raises:
        BarFileError: a file cannot be read (see :func:`read_bars`), two files hold the same
            symbol, or a symbol comes in two timeframes.
    """
    bars: list[Bar] = []
    seen: dict[str, tuple[str, Path]] = {}
    for path in paths:
        of_file = read_bars(path)
        for symbol, timeframe in dict.fromkeys((bar.symbol, bar.timeframe) for bar in of_file):
            if symbol in seen:
                _refuse_second(path, symbol, timeframe, *seen[symbol])
            seen[symbol] = timeframe, path
        bars += of_file
    return sorted(bars, key=lambda bar: (bar.closed_at, bar.symbol))


def _refuse_second(
    path: Path, symbol: str, timeframe: str, other_timeframe: str, other: Path
) -> NoReturn:
    if timeframe == other_timeframe:
        raise BarFileError(
            path, f"{symbol} {timeframe} is in {other} as well; give each symbol in one file only"
        )
    where = "" if other == path else f"in {other} "
    raise BarFileError(
        path,
        f"{symbol} comes in {timeframe} and {where}in {other_timeframe}; "
        "a symbol is traded in one timeframe: keep one of them",
    )


def read_bars(path: Path) -> list[Bar]:
    """Read a CSV file of bars, plain or compressed with gzip (its content decides, not its name).

    The header names the columns ``symbol, timeframe, opened_at, open, high, low, close, volume``
    in any order; other columns are ignored. A file may hold several symbols and timeframes, each
    in ascending order of ``opened_at`` (ISO 8601 with ``Z`` or an offset); a million bars at most.

    Returns:
        The bars in the order of the file, times in UTC.

    Raises:
        BarFileError: the file is missing or unreadable, or any row of it is wrong.
    """
    rows = _rows(path)
    header_line, header = next(rows, (0, []))
    if not header:
        raise BarFileError(path, f"the file is empty; it needs the header {','.join(BAR_COLUMNS)}")
    pick = _column_picker(path, header_line, header)
    bars: list[Bar] = []
    for bar in _parsed(path, rows, len(header), pick):
        if len(bars) == _MOST_BARS:
            raise BarFileError(path, f"there are more than {_MOST_BARS:,} bars; give fewer")
        bars.append(bar)
    if not bars:
        raise BarFileError(
            path, "there are no bars below the header; add at least one", header_line
        )
    return bars


def _rows(path: Path) -> Iterator[tuple[int, list[str]]]:
    """The rows that are not blank, each with the number of its last line."""
    try:
        with path.open("rb") as file:
            lines = Lines(file)
            yield from _rows_of(path, lines)
    except FileNotFoundError:
        raise BarFileError(path, "there is no such file; check the path") from None
    except IsADirectoryError:
        raise BarFileError(path, "this is a folder; name the CSV file inside it") from None
    except (gzip.BadGzipFile, EOFError, zlib.error) as error:
        raise BarFileError(
            path, f"the gzip data is damaged or cut off ({error}); compress the file again"
        ) from None
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise BarFileError(
            path, f"cannot be read ({reason}); check the path and its permissions"
        ) from None


def _rows_of(path: Path, lines: Lines) -> Iterator[tuple[int, list[str]]]:
    reader = csv.reader(lines, strict=True)
    try:
        for row in reader:
            text = lines.take()
            if "\0" in text:
                raise BarFileError(
                    path, "this is binary data; give a CSV file, plain or gzip-compressed"
                )
            if not text.isascii():
                text.encode()
            if row and (len(row) > 1 or row[0].strip()):
                yield reader.line_num, row
    except UnicodeEncodeError:
        raise BarFileError(
            path, "not UTF-8 text; save the file as CSV UTF-8", reader.line_num
        ) from None
    except csv.Error as error:
        raise BarFileError(
            path, f"not well-formed CSV ({error}); check the quotes", reader.line_num
        ) from None


def _column_picker(
    path: Path, line: int, header: list[str]
) -> Callable[[Sequence[str]], list[str]]:
    names = [name.strip().lower() for name in header]
    for column in BAR_COLUMNS:
        if names.count(column) > 1:
            raise BarFileError(
                path, f"the column {column} comes {names.count(column)} times; keep one", line
            )
    missing = [column for column in BAR_COLUMNS if column not in names]
    if missing:
        raise BarFileError(
            path,
            f"missing {'column' if len(missing) == 1 else 'columns'} {', '.join(missing)}; "
            f"the header must name {','.join(BAR_COLUMNS)}, separated by commas",
            line,
        )
    places = [names.index(column) for column in BAR_COLUMNS]
    return lambda row: [row[place] for place in places]


def _parsed(
    path: Path,
    rows: Iterator[tuple[int, list[str]]],
    width: int,
    pick: Callable[[Sequence[str]], list[str]],
) -> Iterator[Bar]:
    last_opened: dict[tuple[str, str], datetime] = {}
    for line, row in rows:
        if len(row) != width:
            problem = f"{len(row)} fields where the header has {width}; correct the row"
            raise BarFileError(path, problem, line)
        try:
            bar = _bar(*pick(row))
            key = bar.symbol, bar.timeframe
            _require_after(bar, last_opened.get(key))
        except _RowError as error:
            raise BarFileError(path, str(error), line) from None
        last_opened[key] = bar.opened_at
        yield bar


class _RowError(ValueError):
    """What is wrong with a row, and the mend."""


def _bar(
    symbol: str,
    timeframe: str,
    opened_at: str,
    open_: str,
    high: str,
    low: str,
    close: str,
    volume: str,
) -> Bar:
    bar = Bar(
        symbol=_symbol(symbol),
        timeframe=_timeframe(timeframe),
        opened_at=_time(opened_at),
        open=_price("open", open_),
        high=_price("high", high),
        low=_price("low", low),
        close=_price("close", close),
        volume=_number("volume", volume, _VOLUME_DIGITS),
    )
    if bar.high < bar.low:
        raise _RowError(f"high {bar.high} is below low {bar.low}; correct the prices")
    for name, value in (("open", bar.open), ("close", bar.close)):
        if not bar.low <= value <= bar.high:
            raise _RowError(
                f"{name} {value} is outside low {bar.low} to high {bar.high}; correct the prices"
            )
    if not FIRST_YEAR <= bar.opened_at.year <= LAST_YEAR:
        raise _RowError(
            f"opened_at {_shown(opened_at)} is not in the years {FIRST_YEAR} to {LAST_YEAR}; "
            "correct the date"
        )
    return bar


def _require_after(bar: Bar, last_opened: datetime | None) -> None:
    if last_opened is None or bar.opened_at > last_opened:
        return
    time = bar.opened_at.isoformat()
    if bar.opened_at == last_opened:
        raise _RowError(
            f"a second {bar.symbol} {bar.timeframe} bar opened at {time}; remove one of them"
        )
    raise _RowError(
        f"the {bar.symbol} {bar.timeframe} bar opened at {time} comes after that of "
        f"{last_opened.isoformat()}; sort the rows by opened_at"
    )


def _symbol(text: str) -> str:
    symbol = text.strip()
    if not symbol:
        raise _RowError("the symbol is empty; name one in each row")
    if not symbol.isprintable() or len(symbol) > MAX_SYMBOL:
        raise _RowError(
            f"symbol {_shown(text)} is not a name of up to {MAX_SYMBOL} printable "
            "characters; correct it"
        )
    return symbol


def _timeframe(text: str) -> str:
    timeframe = text.strip()
    if not TIMEFRAME.fullmatch(timeframe):
        raise _RowError(
            f"timeframe {_shown(text)} is not a number of 1 to 9999 and m, h, d or w; "
            "write for instance 15m, 1h, 1d or 1w"
        )
    return timeframe


def _time(text: str) -> datetime:
    try:
        time = datetime.fromisoformat(text.strip())
    except ValueError:
        raise _RowError(
            f"opened_at {_shown(text)} is not an ISO 8601 time; write for instance "
            "2025-01-31T13:00:00Z"
        ) from None
    if time.tzinfo is None:
        raise _RowError(
            f"opened_at {_shown(text)} has no time zone; add Z for UTC, or an offset such as +02:00"
        )
    try:
        return time.astimezone(UTC)
    except OverflowError:
        raise _RowError(f"opened_at {_shown(text)} is out of range; correct the date") from None


def _price(column: str, text: str) -> Decimal:
    price = _number(column, text, _PRICE_DIGITS)
    if not price:
        raise _RowError(f"{column} is zero; a price must be above zero")
    return price


def _number(column: str, text: str, digits: int) -> Decimal:
    text = text.strip()
    if not _NUMBER.fullmatch(text):
        if _NOT_FINITE.fullmatch(text):
            raise _RowError(f"{column} {_shown(text)} is not finite; give a number or drop the row")
        raise _RowError(
            f"{column} {_shown(text)} is not a number; write digits with a decimal point"
        )
    number = Decimal(text)
    if number < 0:
        raise _RowError(f"{column} {_shown(text)} is negative; correct it")
    if number and number.adjusted() >= digits:
        raise _RowError(
            f"{column} {_shown(text)} is too large; at most {digits} digits stand before the point"
        )
    # A remainder is exact where rounding would not be; zeros at the end leave none.
    if number % _TICK:
        raise _RowError(f"{column} {_shown(text)} has more than {_DECIMALS} decimals; round it")
    return number


def _shown(text: str) -> str:
    return repr(text if len(text) <= 40 else f"{text[:37]}...")
