"""The rows of an old store, one after the other: SQLite, CSV (also .gz) or Parquet.

The first bytes of a file show its format. A file is only read; memory holds a batch of it.
"""

from __future__ import annotations

import csv
import itertools
import sqlite3
import zlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from runner.errors import UsageError
from runner.extras import installing
from runner.store_import.csv_lines import Lines
from runner.store_import.values import Unreadable

_LONGEST_CELL = 16 * 1024 * 1024
_MOST_COLUMNS = 2_000
# Steps of SQLite's machine to count a view, or to come to its next row: a view of 20 million rows
# takes half of it, and all of it takes seconds.
_MOST_STEPS = 300_000_000
_STEPS_OF_A_CALL = 1_000_000
_SQLITE_MENDS = {
    "SQLITE_INTERRUPT": "the view takes too long, or has no end: import a table that is made of it",
    "SQLITE_TOOBIG": "it holds a value of more than 16 MiB: import a view without it",
}
_ROWS_AT_ONCE = 1_000
# Most characters of a list of the store's names in a message.
_SHOWN = 1_000


class SourceError(UsageError):
    """A store cannot be read: the store, the reason and the fix."""

    def __init__(self, path: Path, problem: str) -> None:
        name = str(path) if str(path).isprintable() else repr(str(path))
        super().__init__(f"{name}: {problem}")


@dataclass(frozen=True, slots=True)
class SourceRow:
    """A row as read: its values by column, or its text and the reason why it is no row.

    ``done`` counts towards the source's ``total``: rows, or bytes of a CSV file, in which the row
    ends at ``line``.
    """

    done: int
    values: Mapping[str, Any]
    problem: str | None = None
    line: int | None = None


@dataclass(frozen=True)
class Source:
    """An open store: the names of its columns, and its rows, which can be read once.

    ``rows`` takes the wanted columns; a CSV file gives the others as well.
    """

    columns: tuple[str, ...]
    total: int
    rows: Callable[[Sequence[str]], Iterator[SourceRow]]


def open_source(path: Path, table: str | None, delimiter: str) -> Source:
    """Open a store; ``table`` is for a SQLite database, ``delimiter`` for a CSV file.

    Raises SourceError.
    """
    try:
        with path.open("rb") as file:
            start = file.read(16)
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise SourceError(path, f"cannot be read ({reason})") from None
    is_sqlite = start == b"SQLite format 3\0"
    if table is not None and not is_sqlite:
        raise SourceError(path, "the mapping names a table, and this is no SQLite database")
    if is_sqlite:
        return _open_sqlite(path, table)
    if start.startswith(b"PAR1"):
        return _open_parquet(path)
    if start.startswith(b"PK\x03\x04"):
        raise SourceError(path, "is a zip archive or a workbook: unpack it, or save it as CSV")
    return _open_csv(path, delimiter)


# --- CSV --------------------------------------------------------------------------------------


def _open_csv(path: Path, delimiter: str) -> Source:
    rows = _csv_rows(path, delimiter)
    header = next(rows, None)
    if header is None or not isinstance(header, tuple):
        raise SourceError(path, "there is no header: its first line names the columns")
    if any("\0" in name for name in header):
        raise SourceError(path, "is no CSV in UTF-8: its header holds NUL characters")
    if len(header) > _MOST_COLUMNS:
        problem = f"has {len(header):,} columns: at most {_MOST_COLUMNS:,} are read"
        raise SourceError(path, problem)
    twice = sorted({name for name in header if header.count(name) > 1})
    if twice:
        raise SourceError(path, f"the header names {', '.join(map(repr, twice))[:_SHOWN]} twice")
    # A reader of the rejects needs the line, so the whole line is given.
    found = (row for row in rows if isinstance(row, SourceRow))
    return Source(header, path.stat().st_size, lambda _: found)


def _csv_rows(path: Path, delimiter: str) -> Iterator[SourceRow | tuple[str, ...]]:
    """The header's names, then the rows."""
    with path.open("rb") as file:
        header: tuple[str, ...] | None = None
        line_number = 0
        try:
            lines = Lines(file)
            reader = csv.reader(lines, delimiter=delimiter, strict=True)
            while True:
                line_number = reader.line_num
                try:
                    fields = next(reader)
                except StopIteration:
                    return
                except csv.Error as error:
                    if header is None:
                        raise SourceError(
                            path, f"its header is not well-formed ({error})"
                        ) from None
                    problem = f"is not well-formed CSV ({error})"
                    told = {"line": lines.take()}
                    yield SourceRow(file.tell(), told, problem, reader.line_num)
                    continue
                line = lines.take()
                if not line.strip():
                    continue
                if header is None:
                    header = tuple(name.strip() for name in fields)
                    yield header
                elif len(fields) != len(header):
                    problem = f"has {len(fields)} fields where the header has {len(header)}"
                    yield SourceRow(file.tell(), {"line": line}, problem, reader.line_num)
                else:
                    values = dict(zip(header, fields, strict=True))
                    yield SourceRow(file.tell(), values, None, reader.line_num)
        except (OSError, EOFError, UnicodeError, zlib.error) as error:
            problem = f"is damaged or cut off after line {line_number} ({error})"
            raise SourceError(path, problem) from None


# --- SQLite -----------------------------------------------------------------------------------


def _open_sqlite(path: Path, table: str | None) -> Source:
    with _sqlite(path) as connection:
        names = "select name from sqlite_master where type in ('table', 'view') order by name"
        tables = [name for (name,) in connection.execute(names)]
        if table is None or table not in tables:
            wrong = "name its `table` in the mapping" if table is None else f"has no table {table}"
            raise SourceError(path, f"{wrong}; there are {', '.join(tables)[:_SHOWN] or 'none'}")
        quoted = _quoted(table)
        cursor = connection.execute(f"select * from {quoted} limit 0")  # noqa: S608
        columns = tuple(str(column[0]) for column in cursor.description)
        (total,) = connection.execute(f"select count(*) from {quoted}").fetchone()  # noqa: S608
    return Source(columns, total, lambda wanted: _sqlite_rows(path, quoted, wanted))


def _sqlite_rows(path: Path, table: str, columns: Sequence[str]) -> Iterator[SourceRow]:
    wanted = ", ".join(map(_quoted, columns))
    with _sqlite(path) as connection:
        connection.text_factory = lambda raw: raw.decode("utf-8", "surrogateescape")
        rows = connection.execute(f"select {wanted} from {table}")  # noqa: S608
        for done, row in enumerate(rows, 1):
            yield SourceRow(done, dict(zip(columns, row, strict=True)))
            _allow_steps(connection)


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


@contextmanager
def _sqlite(path: Path) -> Iterator[sqlite3.Connection]:
    """A connection that reads, within limits, and whose errors are SourceErrors."""
    # A URI with an absolute path, in which every special character is escaped.
    uri = f"{path.resolve().as_uri()}?mode=ro"
    try:
        with closing(sqlite3.connect(uri, uri=True)) as connection:
            connection.setlimit(sqlite3.SQLITE_LIMIT_LENGTH, _LONGEST_CELL)
            _allow_steps(connection)
            yield connection
    except sqlite3.Error as error:
        name = getattr(error, "sqlite_errorname", "")
        raise SourceError(path, _SQLITE_MENDS.get(name, f"SQLite said: {error}")) from None


def _allow_steps(connection: sqlite3.Connection) -> None:
    """Limit SQLite to this number of steps from now on: a view may be endless."""
    calls = itertools.count(1)
    connection.set_progress_handler(
        lambda: next(calls) * _STEPS_OF_A_CALL > _MOST_STEPS, _STEPS_OF_A_CALL
    )


# --- Parquet ----------------------------------------------------------------------------------


def _open_parquet(path: Path) -> Source:
    try:
        import pyarrow
        from pyarrow import parquet
    except ImportError:
        raise SourceError(
            path, f"reading Parquet needs pyarrow, an extra: {installing('parquet')}"
        ) from None
    try:
        file = parquet.ParquetFile(path)
    except (pyarrow.ArrowException, OSError) as error:
        raise SourceError(path, f"is no Parquet file that can be read ({error})") from None
    names = file.schema_arrow.names
    if len(set(names)) < len(names):
        raise SourceError(path, "has two columns of one name")
    total = file.metadata.num_rows
    return Source(tuple(names), total, lambda wanted: _parquet_rows(path, file, wanted))


def _parquet_rows(path: Path, file: Any, wanted: Sequence[str]) -> Iterator[SourceRow]:
    import pyarrow

    done = 0
    with file:
        batches = file.iter_batches(_ROWS_AT_ONCE, columns=wanted, use_threads=False)
        while True:
            try:
                batch = next(batches)
            except StopIteration:
                return
            except MemoryError:  # one of Arrow's own as well
                raise
            except (pyarrow.ArrowException, OSError) as error:
                raise SourceError(path, f"is damaged after row {done} ({error})") from None
            names = batch.schema.names
            columns = [_parquet_values(column) for column in batch.columns]
            for row in zip(*columns, strict=True):
                done += 1
                yield SourceRow(done, dict(zip(names, row, strict=True)))


def _parquet_values(column: Any) -> list[Any]:
    import pyarrow

    if pyarrow.types.is_timestamp(column.type):
        unit, zone = column.type.unit, column.type.tz
        counts = column.cast(pyarrow.int64()).to_pylist()
        return [None if count is None else _moment(count, unit, zone) for count in counts]
    try:
        values: list[Any] = column.to_pylist()
    except MemoryError:
        raise
    except (ValueError, OverflowError, pyarrow.ArrowException):
        return [_parquet_value(value) for value in column]
    return values


def _parquet_value(value: Any) -> Any:
    try:
        return value.as_py()
    except MemoryError:
        raise
    except Exception as error:  # one value that Python cannot represent does not affect the others
        return Unreadable(str(error))


_UNITS = {"s": 1, "ms": 1_000, "us": 1_000_000, "ns": 1_000_000_000}


def _moment(count: int, unit: str, zone: str | None) -> datetime | Unreadable:
    """A time of Parquet; aware, in UTC, if the column has a zone."""
    microseconds, rest = divmod(count * 1_000_000, _UNITS[unit])
    if rest:
        return Unreadable("it is finer than microseconds, which are kept")
    epoch = datetime(1970, 1, 1, tzinfo=UTC if zone else None)
    try:
        return epoch + timedelta(microseconds=microseconds)
    except OverflowError:
        return Unreadable("it is out of range")
