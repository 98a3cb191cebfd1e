"""The training set of a model: all that was known at a moment, in one Parquet file."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from importlib import resources
from pathlib import Path

import psycopg
from psycopg import sql
from psycopg.rows import TupleRow

from runner.errors import UsageError
from runner.extras import need
from runner.servers.database import Connection, scalar

_ROWS_AT_ONCE = 10_000


@dataclass(frozen=True, slots=True)
class TrainingSet:
    """A file that was written.

    ``rows`` are counted by kind; ``sha256`` is of the rows' contents: equal rows, equal hash.
    """

    path: Path
    as_of: datetime
    rows: dict[str, int]
    sha256: str


def write(
    replica: Connection,
    model: str,
    as_of: datetime,
    path: Path,
    advance: Callable[[int, int], None] = lambda done, total: None,
) -> TrainingSet:
    """Write the rows that were known at ``as_of`` for the versions of a model's name.

    Signals of these versions with their outcomes, and all plans with their fills, patterns and
    bars; docs/retraining.md lists the columns. Rows are streamed, in an order that depends on
    nothing but the rows; the file appears when it is complete. ``replica`` is in no transaction.
    Raises UsageError for an unknown model, before the first build, and for a path that cannot be
    written.
    """
    need("parquet")
    import pyarrow
    from pyarrow import parquet

    # For each type that the statement returns.
    types = {
        "text": pyarrow.string(),
        "float8": pyarrow.float64(),
        "bool": pyarrow.bool_(),
        "numeric": pyarrow.decimal128(38, 18),
        "timestamptz": pyarrow.timestamp("us", tz="UTC"),
    }
    partial = path.with_name(f".{path.name}.partial")
    digest, counts, done = hashlib.sha256(), dict[str, int](), 0
    try:
        with replica.transaction(), replica.cursor(name="training_set") as cursor:
            replica.execute("set transaction isolation level repeatable read read only")
            _open(cursor, model, as_of)
            # The last column is the number of all rows.
            schema = pyarrow.schema(
                [
                    (column.name, types[replica.adapters.types[column.type_code].name])
                    for column in (cursor.description or ())[:-1]
                ]
            )
            with parquet.ParquetWriter(partial, schema, compression="zstd") as writer:
                while batch := cursor.fetchmany(_ROWS_AT_ONCE):
                    for row in batch:
                        counts[row[0]] = counts.get(row[0], 0) + 1
                        digest.update(json.dumps(row[:-1], default=str).encode() + b"\n")
                    *columns, totals = map(list, zip(*batch, strict=True))
                    writer.write_batch(pyarrow.record_batch(columns, schema=schema))
                    done += len(batch)
                    advance(done, totals[0])
                writer.add_key_value_metadata(
                    {"model": model, "as_of": as_of.isoformat(), "sha256": digest.hexdigest()}
                )
        partial.replace(path)
    except OSError as error:
        raise UsageError(f"cannot write {path}: {error.strerror}") from error
    finally:
        with suppress(OSError):
            partial.unlink()
    return TrainingSet(path, as_of, counts, digest.hexdigest())


def _open(cursor: psycopg.ServerCursor[TupleRow], model: str, as_of: datetime) -> None:
    """Begin to read the rows."""
    statement = resources.files("runner.sql").joinpath("training_set.sql").read_text("utf-8")
    known = "select count(*) from staging.stg_ai__models where model_name = %s"
    try:
        if not scalar(cursor.connection, known, (model,)):
            raise UsageError(f"there is no model {model}: signal-marts models lists them")
        cursor.execute(sql.SQL(statement), {"model": model, "as_of": as_of})
    except (psycopg.errors.UndefinedTable, psycopg.errors.InvalidSchemaName) as error:
        raise UsageError("there are no marts to read yet: run signal-marts build") from error
