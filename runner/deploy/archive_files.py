"""Files of archived rows: Parquet, each value as the server writes it, times in UTC.

Every value but a time is a text: a numeric keeps its digits, whatever its precision.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from psycopg import sql

from runner.errors import SignalMartsError, UsageError
from runner.extras import need
from runner.progress import Advance
from runner.replication import archives, landing
from runner.replication.archives import Archive, File
from runner.servers.changes import Changes
from runner.servers.contract import Table
from runner.servers.database import scalar
from runner.servers.relations import read_relations
from runner.servers.sides import Sides

_ROWS_AT_ONCE = 10_000


class ArchiveError(SignalMartsError):
    """A file of archived rows is missing, or is not what was written."""


def write(
    sides: Sides,
    table: Table,
    folder: Path,
    since: datetime | None,
    until: datetime,
    advance: Advance,
) -> File:
    """Write the replica's rows from ``since`` to ``until``, in the order of the key.

    The file appears when it is complete and on the disk. Raises UsageError for a folder that cannot
    be written to.
    """
    need("parquet")
    import pyarrow
    from pyarrow import parquet

    replica = sides.on_replica
    schema = pyarrow.schema(
        [
            (name, pyarrow.timestamp("us", tz="UTC") if _is_time(kind) else pyarrow.string())
            for name, kind in table.columns
        ]
    )
    values = sql.SQL(", ").join(
        sql.SQL("{}" if _is_time(kind) else "{}::text").format(sql.Identifier(name))
        for name, kind in table.columns
    )
    rows = sql.SQL("from {} where {}").format(
        table.identifier, archives.between(table, since, until)
    )
    key = read_relations(replica, [table])[table.qualified].key
    path = folder / f"{table.qualified}-until-{until:%Y-%m-%d}.parquet"
    partial = path.with_name(f".{path.name}.partial")
    digest, done = _Digest(), 0
    try:
        with replica.transaction(), replica.cursor(name="archive") as cursor:
            replica.execute("set transaction isolation level repeatable read read only")
            replica.execute("set local statement_timeout = 0")
            total = scalar(replica, sql.SQL("select count(*) {}").format(rows).as_string())
            cursor.execute(
                sql.SQL("select {} {} order by {}").format(values, rows, landing.names(key))
            )
            with (
                partial.open("wb") as file,
                parquet.ParquetWriter(file, schema, compression="zstd") as writer,
            ):
                while batch := cursor.fetchmany(_ROWS_AT_ONCE):
                    digest.add(batch)
                    columns = list(map(list, zip(*batch, strict=True)))
                    writer.write_batch(pyarrow.record_batch(columns, schema=schema))
                    done += len(batch)
                    advance(done, total, "rows written")
        _on_disk(partial)
        partial.replace(path)
        _on_disk(folder)
    except OSError as error:
        raise UsageError(f"cannot write {path}: {error.strerror}") from error
    finally:
        with suppress(OSError):
            partial.unlink()
    return File(path.name, until, done, digest.hex)


def check(folder: Path, file: File, advance: Advance) -> None:
    """Raise ArchiveError where a file is not there, or has not the rows that were written."""
    with _opened(folder, file) as (_, batches):
        done = 0
        for batch in batches:
            done += len(batch)
            advance(done, file.rows, "rows read again")


def load(
    sides: Sides, table: Table, archive: Archive, folder: Path | None, changes: Changes
) -> None:
    """Bring all archived rows to the replica, in one transaction.

    Raises ArchiveError without a folder, or where a file of it is not what was written.
    """
    until = archive.until
    if until is None:
        return
    names = ", ".join(file.name for file in archive.files)
    if folder is None:
        raise ArchiveError(
            f"the replica needs the archived rows of {table.qualified} of before {until:%Y-%m-%d}, "
            f"which the primary no longer has: set SIGNAL_MARTS_ARCHIVE to the folder of {names}, "
            "and deploy again. Nothing is built until then"
        )
    need("parquet")
    replica = sides.on_replica
    with replica.transaction():
        replica.execute("set local statement_timeout = 0")
        # Rows that the primary had not deleted yet came with the copy.
        replica.execute("set local signal_marts.is_copying = 'on'")
        replica.execute(
            sql.SQL("delete from {} where {}").format(
                table.identifier, archives.between(table, None, until)
            )
        )
        for file in archive.files:
            with _opened(folder, file) as (columns, batches):
                # A column that the contract had then, or has only now.
                places = [n for n, name in enumerate(columns) if name in table.column_names]
                statement = sql.SQL("copy {} ({}) from stdin").format(
                    table.identifier, landing.names([columns[n] for n in places])
                )
                with replica.cursor() as cursor, cursor.copy(statement) as copy:
                    for batch in batches:
                        for row in batch:
                            copy.write_row([row[n] for n in places])
        for each in archives.keeping(table, until):
            replica.execute(each)
    rows = sum(file.rows for file in archive.files)
    changes.run("replica", f"{rows:,} archived rows of {table.qualified} loaded", replica)


@contextmanager
def _opened(
    folder: Path, file: File
) -> Iterator[tuple[Sequence[str], Iterator[list[tuple[Any, ...]]]]]:
    """Columns and rows of a file; raises ArchiveError after rows that are not the file's."""
    need("parquet")
    import pyarrow
    from pyarrow import parquet

    # A name alone: the note is only a text.
    path = folder / Path(file.name).name

    def batches(opened: parquet.ParquetFile) -> Iterator[list[tuple[Any, ...]]]:
        digest, rows = _Digest(), 0
        for batch in opened.iter_batches(batch_size=_ROWS_AT_ONCE):
            found = list(zip(*(column.to_pylist() for column in batch.columns), strict=True))
            digest.add(found)
            rows += len(found)
            yield found
        if (rows, digest.hex) != (file.rows, file.sha256):
            raise ArchiveError(
                f"{path} is not the file that was written: it has {rows:,} rows of hash "
                f"{digest.hex}, and should have {file.rows:,} of {file.sha256}; bring it back from "
                "a backup"
            )

    try:
        with parquet.ParquetFile(path) as opened:
            yield opened.schema_arrow.names, batches(opened)
    except (OSError, pyarrow.ArrowException) as error:
        raise ArchiveError(f"cannot read {path}, which holds archived rows: {error}") from error


class _Digest:
    """A hash of rows in their order."""

    def __init__(self) -> None:
        self._sha256 = hashlib.sha256()

    def add(self, rows: Sequence[Sequence[Any]]) -> None:
        for row in rows:
            values = [v.astimezone(UTC).isoformat() if isinstance(v, datetime) else v for v in row]
            self._sha256.update(json.dumps(values).encode() + b"\n")

    @property
    def hex(self) -> str:
        return self._sha256.hexdigest()


def _is_time(kind: str) -> bool:
    return kind == "timestamp with time zone"


def _on_disk(path: Path) -> None:
    """Wait until a file, or a folder's list of files, would outlast a loss of power."""
    opened = os.open(path, os.O_RDONLY)
    try:
        os.fsync(opened)
    finally:
        os.close(opened)
