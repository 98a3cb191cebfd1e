"""Price bars from files, CSV above all: all of a file is checked before any of it is used."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any, NoReturn

from runner.client.records import Bar
from runner.client.validation import BAR_COLUMNS, bar_row
from runner.client.values import InvalidRecordError
from runner.errors import UsageError
from runner.store_import.mapping import DECIMAL, FIELDS, TEXT
from runner.store_import.sources import SourceRow, open_source
from runner.store_import.values import ValueRefusedError, to_decimal, to_text, to_time

# A thousand megabytes of memory, and a day of the demo.
_MOST_BARS = 1_000_000


class BarFileError(UsageError):
    """A file of bars cannot be used: the file, the line, the reason and the fix."""

    def __init__(self, path: Path, problem: str, line: int | None = None) -> None:
        name = str(path) if str(path).isprintable() else repr(str(path))
        self.path, self.line = path, line
        super().__init__(f"{name}, line {line}: {problem}" if line else f"{name}: {problem}")


def load_bars(paths: Sequence[Path]) -> list[Bar]:
    """Read several files of bars as one market.

    Returns:
        All bars, sorted by the time they closed and then by symbol.

    Raises:
        BarFileError: a file cannot be used (see :func:`read_bars`), two files hold the same
            symbol, or a symbol comes in two timeframes.
        SourceError: a file cannot be read.
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
    """Read a file of bars: CSV, plain or compressed with gzip, or Parquet; its content decides.

    Its columns are ``symbol, timeframe, opened_at, open, high, low, close, volume`` in any order;
    others are ignored. A file may hold several symbols and timeframes, each in ascending order of
    ``opened_at`` (ISO 8601 with ``Z`` or an offset); a million bars at most. The API's checks
    apply: a bar that the API refuses is refused here, with the same message.

    Returns:
        The bars in the order of the file, times in UTC.

    Raises:
        BarFileError: a row of it is wrong.
        SourceError: the file is missing or unreadable.
    """
    source = open_source(path, None, ",")
    names: dict[str, str] = {}
    for name in source.columns:
        if names.setdefault(name.lower(), name) != name:
            raise BarFileError(path, f"the header names {name.lower()} twice; keep one")
    missing = [column for column in BAR_COLUMNS if column not in names]
    if missing:
        raise BarFileError(
            path,
            f"missing {'column' if len(missing) == 1 else 'columns'} {', '.join(missing)}; "
            f"the header must name {','.join(BAR_COLUMNS)}, separated by commas",
        )
    wanted = {column: names[column] for column in BAR_COLUMNS}
    bars: list[Bar] = []
    for bar in _read(path, source.rows(list(wanted.values())), wanted):
        if len(bars) == _MOST_BARS:
            raise BarFileError(path, f"there are more than {_MOST_BARS:,} bars; give fewer")
        bars.append(bar)
    if not bars:
        raise BarFileError(path, "there are no bars below the header; add at least one")
    return bars


def _read(path: Path, rows: Iterator[SourceRow], wanted: Mapping[str, str]) -> Iterator[Bar]:
    columns = [(name, column, _CONVERTERS[name]) for name, column in wanted.items()]
    last_opened: dict[tuple[str, str], datetime] = {}
    for row in rows:
        if row.problem is not None:
            raise BarFileError(path, f"the row {row.problem}", row.line)
        try:
            bar = Bar(**{name: to(name, row.values[column]) for name, column, to in columns})
            bar_row(bar)
        except InvalidRecordError as error:
            raise BarFileError(path, error.problem, row.line) from None
        key = bar.symbol, bar.timeframe
        _require_after(path, row.line, bar, last_opened.get(key))
        last_opened[key] = bar.opened_at
        yield bar


def _converter(kind: str) -> Callable[[str, object], Any]:
    def convert(name: str, raw: object) -> Any:
        try:
            if kind == TEXT:
                return to_text(raw).strip()
            return to_decimal(raw, None) if kind == DECIMAL else to_time(raw, "iso", None)
        except ValueRefusedError as refused:
            raise InvalidRecordError("bar", name, raw, str(refused)) from None

    return convert


_CONVERTERS = {name: _converter(kind) for name, kind in FIELDS["market_bars"].items()}


def _require_after(path: Path, line: int | None, bar: Bar, last_opened: datetime | None) -> None:
    if last_opened is None or bar.opened_at > last_opened:
        return
    time = bar.opened_at.isoformat()
    problem = (
        f"a second {bar.symbol} {bar.timeframe} bar opened at {time}; remove one of them"
        if bar.opened_at == last_opened
        else f"the {bar.symbol} {bar.timeframe} bar opened at {time} comes after that of "
        f"{last_opened.isoformat()}; sort the rows by opened_at"
    )
    raise BarFileError(path, problem, line)
