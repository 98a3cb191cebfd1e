"""The rows of an old store, one after the other: SQLite, CSV (also .gz) or Parquet.

Which of them a file is shows in its first bytes. A file is only read; memory holds a batch of it.
"""

from __future__ import annotations

import csv
import gzip
import io
import sqlite3
import zlib
from collections.abc import Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, NoReturn

from runner.errors import UsageError
from runner.store_import.values import Unreadable

# More than the largest JSON value that is kept, so that its row is read and refused for its size.
_LONGEST_FIELD = 1024 * 1024
_ROWS_AT_ONCE = 1_000


class SourceError(UsageError):
    """A store cannot be read: which, why, and the mend."""

    def __init__(self, path: Path, problem: str) -> None:
        super().__init__(f"{path}: {problem}")


@dataclass(frozen=True, slots=True)
class SourceRow:
    """A row as it was: its values by column, or what stood there and why that is no row.

    ``done`` counts towards the source's ``total``: rows, or bytes of a CSV file.
    """

    done: int
    values: Mapping[str, Any]
    problem: str | None = None


@dataclass(frozen=True)
class Source:
    """A store that was opened: the names of its columns, and its rows, to be read once."""

    columns: tuple[str, ...]
    total: int
    rows: Iterator[SourceRow]


def open_source(path: Path, table: str | None, delimiter: str) -> Source:
    """Open a store; ``table`` is the one of a SQLite database, ``delimiter`` that of a CSV file.

    Raises SourceError.
    """
    try:
        with path.open("rb") as file:
            start = file.read(16)
    except OSError as error:
        raise SourceError(path, f"cannot be read ({error.strerror})") from None
    is_sqlite = start == b"SQLite format 3\0"
    if table is not None and not is_sqlite:
        raise SourceError(path, "the mapping names a table, and this is no SQLite database")
    if is_sqlite:
        return _open_sqlite(path, table)
    if start.startswith(b"PAR1"):
        return _open_parquet(path)
    return _open_csv(path, delimiter, is_compressed=start.startswith(b"\x1f\x8b"))


# --- CSV --------------------------------------------------------------------------------------


class _Lines:
    """The lines of a text, and those since the last look: the row as it was."""

    def __init__(self, text: io.TextIOBase) -> None:
        self._text = text
        self._since: list[str] = []

    def __iter__(self) -> _Lines:
        return self

    def __next__(self) -> str:
        # A line that never ends would be held whole.
        line = self._text.readline(_LONGEST_FIELD)
        if not line:
            raise StopIteration
        self._since.append(line)
        return line

    def take(self) -> str:
        taken, self._since = "".join(self._since), []
        return taken


def _open_csv(path: Path, delimiter: str, *, is_compressed: bool) -> Source:
    rows = _csv_rows(path, delimiter, is_compressed=is_compressed)
    header = next(rows, None)
    if header is None or not isinstance(header, tuple):
        raise SourceError(path, "there is no header: its first line names the columns")
    twice = sorted({name for name in header if header.count(name) > 1})
    if twice:
        raise SourceError(path, f"the header names {', '.join(map(repr, twice))} twice")
    return Source(header, path.stat().st_size, (row for row in rows if isinstance(row, SourceRow)))


def _csv_rows(
    path: Path, delimiter: str, *, is_compressed: bool
) -> Iterator[SourceRow | tuple[str, ...]]:
    """The header's names, then the rows."""
    csv.field_size_limit(_LONGEST_FIELD)
    with path.open("rb") as file:
        plain = gzip.GzipFile(fileobj=file) if is_compressed else file
        # What is no UTF-8 stays to be seen: a field of it is refused, with its row.
        lines = _Lines(
            io.TextIOWrapper(plain, encoding="utf-8-sig", errors="surrogateescape", newline="")
        )
        reader = csv.reader(lines, delimiter=delimiter, strict=True)
        header: tuple[str, ...] | None = None
        while True:
            try:
                fields = next(reader)
            except StopIteration:
                return
            except csv.Error as error:
                if header is None:
                    raise SourceError(path, f"its header is not well-formed ({error})") from None
                problem = f"is not well-formed CSV ({error})"
                yield SourceRow(file.tell(), {"line": lines.take()}, problem)
                continue
            except (OSError, EOFError, zlib.error) as error:
                raise SourceError(
                    path, f"is damaged or cut off after line {reader.line_num} ({error})"
                ) from None
            line = lines.take()
            if not fields:
                continue
            if header is None:
                header = tuple(name.strip() for name in fields)
                yield header
            elif len(fields) != len(header):
                problem = f"has {len(fields)} fields where the header has {len(header)}"
                yield SourceRow(file.tell(), {"line": line}, problem)
            else:
                yield SourceRow(file.tell(), dict(zip(header, fields, strict=True)))


# --- SQLite -----------------------------------------------------------------------------------


def _open_sqlite(path: Path, table: str | None) -> Source:
    # A scheme with an absolute path, in which every sign that means something is escaped.
    uri = f"{path.resolve().as_uri()}?mode=ro"
    with _sqlite_errors(path), closing(sqlite3.connect(uri, uri=True)) as connection:
        names = "select name from sqlite_master where type in ('table', 'view') order by name"
        tables = [name for (name,) in connection.execute(names)]
        if table is None or table not in tables:
            wrong = "name its `table` in the mapping" if table is None else f"has no table {table}"
            raise SourceError(path, f"{wrong}; there are {', '.join(tables) or 'none'}")
        quoted = '"' + table.replace('"', '""') + '"'
        cursor = connection.execute(f"select * from {quoted} limit 0")  # noqa: S608
        columns = tuple(str(column[0]) for column in cursor.description)
        (total,) = connection.execute(f"select count(*) from {quoted}").fetchone()  # noqa: S608
    return Source(columns, total, _sqlite_rows(path, uri, quoted, columns))


def _sqlite_rows(path: Path, uri: str, table: str, columns: tuple[str, ...]) -> Iterator[SourceRow]:
    with _sqlite_errors(path), closing(sqlite3.connect(uri, uri=True)) as connection:
        connection.text_factory = lambda raw: raw.decode("utf-8", "surrogateescape")
        rows = connection.execute(f"select * from {table}")  # noqa: S608
        for done, row in enumerate(rows, 1):
            yield SourceRow(done, dict(zip(columns, row, strict=True)))


class _sqlite_errors:  # noqa: N801 - a context manager, which a generator may leave early
    def __init__(self, path: Path) -> None:
        self._path = path

    def __enter__(self) -> None:
        return None

    def __exit__(self, kind: object, error: BaseException | None, traceback: object) -> None:
        if isinstance(error, sqlite3.Error):
            raise SourceError(self._path, f"SQLite said: {error}") from None


# --- Parquet ----------------------------------------------------------------------------------


def _open_parquet(path: Path) -> Source:
    try:
        import pyarrow
        from pyarrow import parquet
    except ImportError:
        raise SourceError(
            path, "reading Parquet needs pyarrow: install the extra, signal-marts[parquet]"
        ) from None
    try:
        file = parquet.ParquetFile(path)
    except (pyarrow.ArrowException, OSError) as error:
        raise SourceError(path, f"is no Parquet file that can be read ({error})") from None
    names = file.schema_arrow.names
    if len(set(names)) < len(names):
        raise SourceError(path, "has two columns of one name")
    return Source(tuple(names), file.metadata.num_rows, _parquet_rows(path, file))


def _parquet_rows(path: Path, file: Any) -> Iterator[SourceRow]:
    import pyarrow

    done = 0
    with file:
        batches = file.iter_batches(batch_size=_ROWS_AT_ONCE, use_threads=False)
        while True:
            try:
                batch = next(batches)
            except StopIteration:
                return
            except (pyarrow.ArrowException, OSError) as error:
                _damaged(path, done, error)
            names = batch.schema.names
            columns = [_parquet_values(column) for column in batch.columns]
            for row in zip(*columns, strict=True):
                done += 1
                yield SourceRow(done, dict(zip(names, row, strict=True)))


def _damaged(path: Path, done: int, error: Exception) -> NoReturn:
    raise SourceError(path, f"is damaged after row {done} ({error})") from None


def _parquet_values(column: Any) -> list[Any]:
    import pyarrow

    if pyarrow.types.is_timestamp(column.type):
        unit, zone = column.type.unit, column.type.tz
        counts = column.cast(pyarrow.int64()).to_pylist()
        return [None if count is None else _moment(count, unit, zone) for count in counts]
    try:
        values: list[Any] = column.to_pylist()
    except (ValueError, OverflowError, pyarrow.ArrowException):
        return [_parquet_value(value) for value in column]
    return values


def _parquet_value(value: Any) -> Any:
    try:
        return value.as_py()
    except Exception as error:  # one value that Python has no form for spoils no other
        return Unreadable(str(error))


_UNITS = {"s": 1, "ms": 1_000, "us": 1_000_000, "ns": 1_000_000_000}


def _moment(count: int, unit: str, zone: str | None) -> datetime | Unreadable:
    """A time of Parquet, aware if the column has a zone: it counts in UTC then."""
    microseconds, rest = divmod(count * 1_000_000, _UNITS[unit])
    if rest:
        return Unreadable("it is finer than microseconds, which are kept")
    epoch = datetime(1970, 1, 1, tzinfo=UTC if zone else None)
    try:
        return epoch + timedelta(microseconds=microseconds)
    except OverflowError:
        return Unreadable("it is out of range")
