"""Tables of PostgreSQL as Parquet files that Spark reads, all as of one snapshot.

Values that Spark has no type for arrive as the nearest that the models treat alike: a number that
is none, or too large for 38 digits, as one beyond every limit; a time without an end as the last of
the year 9999; JSON and keys of other types as texts. A number keeps 18 decimals, as many as money
has.
"""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

from psycopg import sql

from runner.errors import UsageError
from runner.extras import need
from runner.platform import roles, views
from runner.servers.contract import ai_tables
from runner.servers.database import Connection
from runner.settings import PROJECT

DECIMALS = 18
_BEYOND = 9 * 10**19
"""Larger than any usable number (money_limit), and a decimal(38, 18)."""
_LIMIT = 10**19
_LONGEST_ROW = 64 * 2**20
"""In bytes: the reader of CSV refuses a longer one."""

_MOMENT = """\
case
    when {0} is null then null
    when {0} >= timestamptz '9999-12-31 23:59:59.999999+00' then 253402300799999999
    when {0} < timestamptz '0001-01-01 00:00:00+00' then -62135596800000000
    else cast(extract(epoch from {0}) * 1000000 as bigint)
end"""
_NUMBER = """\
case
    when {0} is null then null
    when abs({0}) < {limit} then round({0}, {decimals})
    else {beyond}
end"""
_DATE = """\
case
    when {0} is null then null
    else greatest(least({0}, date '9999-12-31'), date '0001-01-01')
end"""

_SCHEMAS = ["staging", "intermediate", "ensemble", "performance", "training", "operations"]
_BUILT = """\
select nspname, relname
from pg_class
inner join pg_namespace on pg_class.relnamespace = pg_namespace.oid
where nspname = any (%s) and relname = any (%s) and relkind in ('r', 'v')
order by relname
"""
_COLUMNS = """\
select attname, format_type(atttypid, null)
from pg_attribute
where attrelid = to_regclass(%s) and attnum > 0 and not attisdropped
order by attnum
"""


def write_snapshot(connection: Connection, folder: Path) -> None:
    """Write the raw tables into ``raw``, and the models as they are built into ``expected``.

    The connection has done nothing in its transaction yet. Each table is ``NAME/rows.parquet``:
    Spark's tables are folders. Raises UsageError if a raw table is not there.
    """
    need("parquet")
    connection.execute("set transaction isolation level repeatable read read only")
    raw = [("public", table.name) for table in ai_tables()]
    raw += [(views.SCHEMA, role) for role in roles.ROLES]
    models = [path.stem for path in (PROJECT / "models").rglob("*.sql")]
    built = connection.execute(_BUILT, (_SCHEMAS, models)).fetchall()
    for part, relations in (("raw", raw), ("expected", built)):
        for relation in relations:
            _export(connection, relation, folder / part / relation[1])


def _export(connection: Connection, relation: tuple[str, str], folder: Path) -> None:
    import pyarrow
    from pyarrow import csv, parquet

    qualified = sql.Identifier(*relation)
    columns = connection.execute(_COLUMNS, (qualified.as_string(),)).fetchall()
    if not columns:
        raise UsageError(f"{'.'.join(relation)} is not there: run signal-marts deploy first")
    types = {name: _arrow_type(kind) for name, kind in columns}
    values = [
        sql.SQL("{} as {}").format(_value(name, kind), sql.Identifier(name))
        for name, kind in columns
    ]
    query = sql.SQL("copy (select {} from {}) to stdout (format csv)").format(
        sql.SQL(", ").join(values), qualified
    )
    schema = pyarrow.schema(
        [
            (name, pyarrow.timestamp("us", tz="UTC") if kind == _MICROSECONDS else kind)
            for name, kind in types.items()
        ]
    )
    folder.mkdir(parents=True)
    with tempfile.TemporaryFile() as file:
        with connection.cursor() as cursor, cursor.copy(query) as copy:
            for part in copy:
                file.write(part)
        empty = file.tell() == 0
        file.seek(0)
        with parquet.ParquetWriter(folder / "rows.parquet", schema) as writer:
            if empty:
                return
            reader = csv.open_csv(
                file,
                read_options=csv.ReadOptions(
                    column_names=list(types), use_threads=False, block_size=_LONGEST_ROW
                ),
                parse_options=csv.ParseOptions(newlines_in_values=True, ignore_empty_lines=False),
                convert_options=csv.ConvertOptions(
                    column_types={
                        name: pyarrow.int64() if kind == _MICROSECONDS else kind
                        for name, kind in types.items()
                    },
                    null_values=[""],
                    true_values=["t"],
                    false_values=["f"],
                    strings_can_be_null=True,
                    quoted_strings_can_be_null=False,
                ),
            )
            for batch in reader:
                writer.write_batch(batch.cast(schema))


_MICROSECONDS = "microseconds"


def _arrow_type(kind: str) -> Any:
    import pyarrow

    return {
        "bigint": pyarrow.int64(),
        "integer": pyarrow.int32(),
        "smallint": pyarrow.int16(),
        "boolean": pyarrow.bool_(),
        "double precision": pyarrow.float64(),
        "real": pyarrow.float32(),
        "numeric": pyarrow.decimal128(38, DECIMALS),
        "date": pyarrow.date32(),
        "timestamp with time zone": _MICROSECONDS,
    }.get(kind, pyarrow.string())


def _value(name: str, kind: str) -> sql.Composable:
    """A column as COPY is to write it."""
    column = sql.Identifier(name)
    if kind == "timestamp with time zone":
        return sql.SQL(_MOMENT).format(column)
    if kind == "date":
        return sql.SQL(_DATE).format(column)
    if kind == "numeric":
        return sql.SQL(_NUMBER).format(
            column,
            limit=sql.Literal(_LIMIT),
            decimals=sql.Literal(DECIMALS),
            beyond=sql.Literal(_BEYOND),
        )
    known = ("bigint", "integer", "smallint", "boolean", "double precision", "real", "text")
    return column if kind in known else sql.SQL("cast({} as text)").format(column)
