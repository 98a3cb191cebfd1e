"""The index that a finding would have made or dropped."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from psycopg import sql

from runner.advice.scratch import Index, NotProvenError, Table
from runner.advice.statement_texts import quoted, read

MADE = ("foreign_key_without_index", "sequential_scans")
DROPPED = ("duplicate_index", "overlapping_index", "unused_index", "invalid_index")
SAFE = ("duplicate_index", "invalid_index")
"""No statement can be slower without such an index: another one is the same, or none used it."""


@dataclass(frozen=True)
class Change:
    """An index that is to be made or dropped."""

    table: Table
    index: Index
    is_new: bool

    @property
    def with_index(self) -> Table:
        return replace(self.table, indexes=(*self.without_index.indexes, self.index))

    @property
    def without_index(self) -> Table:
        others = (each for each in self.table.indexes if each.name != self.index.name)
        return replace(self.table, indexes=tuple(others))


def change_of(row: Mapping[str, Any], table: Table, keys: Sequence[Mapping[str, Any]]) -> Change:
    """What a finding proposes; raise NotProvenError where that is no index that can be made."""
    if row["kind"] in DROPPED:
        for index in table.indexes:
            if index.name == row["object_name"]:
                change = Change(table, replace(index, is_valid=True), is_new=False)
                if (
                    index not in table.made_indexes
                    and change.index not in change.with_index.made_indexes
                ):
                    raise NotProvenError(f"the replica does not have {index.key_columns[0]}")
                return change
        raise NotProvenError("the newest sample does not know the index")
    if row["kind"] == "foreign_key_without_index":
        (columns,) = [
            key["columns"] for key in keys if key["constraint_name"] == row["object_name"]
        ]
    else:
        columns = _derived(row["evidence"]["statement"] or "", table)
        if any(
            index.key_columns[: len(columns)] == columns and index.is_valid and not index.is_partial
            for index in table.indexes
        ):
            raise NotProvenError(f"an index on {', '.join(columns)} is there")
    tail = f"USING btree ({', '.join(map(quoted, columns))})"
    name = f"idx_{table.name.table}_{'_'.join(columns)}"[:63]
    return Change(
        table,
        Index(
            name,
            is_unique=False,
            is_primary=False,
            is_valid=True,
            is_partial=False,
            key_columns=columns,
            tail=tail,
        ),
        is_new=True,
    )


def _derived(text: str, table: Table) -> list[str]:
    """Columns of an index that a statement's conditions ask for: equal ones, then one range."""
    uses = read(text, {table.name: table.column_names}).uses.values()
    columns = [
        use.column
        for kinds in (("equal", "array"), ("lower", "upper"))
        for use in uses
        if use.kind in kinds
    ]
    ranges = {use.column for use in uses if use.kind in ("lower", "upper")}
    derived = list(dict.fromkeys(columns))
    while derived and len(ranges & {*derived[:-1]}) > 0:
        derived.pop()
    if not derived:
        raise NotProvenError("no index can be derived from the statement")
    return derived


def check_of(table: Table, columns: Sequence[str]) -> str:
    """What a foreign key's check asks when a row that it points at is deleted."""
    return (
        sql.SQL("select 1 from only {} where {}")
        .format(
            sql.Identifier(*table.name),
            sql.SQL(" and ").join(
                sql.SQL("{} = {}").format(sql.Identifier(name), sql.SQL(f"${number}"))
                for number, name in enumerate(columns, start=1)
            ),
        )
        .as_string()
    )
