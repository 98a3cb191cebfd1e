"""The contract with the primary: every raw table and column that the dbt models read.

It is read from ``models/staging/*/_sources.yml``; the publication, the landing tables and the check
of the platform's tables are all made from it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from runner.database import Connection
from runner.errors import UsageError
from runner.settings import PROJECT

# What the primary may hold for each type that the contract asks for: every value of these arrives
# in the contract's type unchanged, since replication carries text.
_ACCEPTED: Mapping[str, frozenset[str]] = {
    "smallint": frozenset({"smallint"}),
    "integer": frozenset({"smallint", "integer"}),
    "bigint": frozenset({"smallint", "integer", "bigint"}),
    "numeric": frozenset({"numeric", "smallint", "integer", "bigint", "real", "double precision"}),
    "double precision": frozenset(
        {"double precision", "real", "numeric", "smallint", "integer", "bigint"}
    ),
    "text": frozenset(
        {"text", "character varying", "character", "uuid", "citext", "json", "jsonb"}
    ),
    "boolean": frozenset({"boolean"}),
    "date": frozenset({"date"}),
    "timestamp with time zone": frozenset({"timestamp with time zone"}),
    # For platforms that keep their times so: their staging models say in which zone.
    "timestamp without time zone": frozenset({"timestamp without time zone"}),
    # A json may hold what jsonb refuses, and one such row would stop all replication.
    "jsonb": frozenset({"jsonb"}),
    "uuid": frozenset({"uuid"}),
}


@dataclass(frozen=True, order=True)
class Table:
    """A raw table: its place on the primary and on the replica, and its columns' types."""

    schema: str
    name: str
    source: str
    columns: tuple[tuple[str, str], ...]

    @property
    def qualified(self) -> str:
        return f"{self.schema}.{self.name}"

    @property
    def column_names(self) -> tuple[str, ...]:
        return tuple(name for name, _ in self.columns)


@dataclass(frozen=True)
class Relation:
    """A table as a database's catalog has it: columns' types and primary key."""

    kind: str
    columns: Mapping[str, str]
    enums: frozenset[str]
    key: tuple[str, ...]


class ContractError(UsageError):
    """A sources file does not say what replication needs to know."""


class PlatformMismatchError(UsageError):
    """The primary's tables are not as the contract says."""

    def __init__(self, problems: Sequence[str]) -> None:
        super().__init__(
            "the primary does not fulfil the contract in models/staging/*/_sources.yml:\n"
            + "\n".join(f"  - {problem}" for problem in problems)
        )
        self.problems = tuple(problems)


def read_contract(project: Path = PROJECT) -> tuple[Table, ...]:
    """Tables of all sources files, ordered by name; raise ContractError naming file and table."""
    paths = sorted(project.glob("models/staging/*/_sources.yml"))
    tables = [table for path in paths for table in _read_file(path, project)]
    if not tables:
        raise ContractError(f"no sources under {project}/models/staging: is this the project?")
    names = [table.qualified for table in tables]
    if twice := sorted({name for name in names if names.count(name) > 1}):
        raise ContractError(f"the sources list {', '.join(twice)} more than once; keep one of them")
    return tuple(sorted(tables))


def _read_file(path: Path, project: Path) -> list[Table]:
    shown = path.relative_to(project)
    try:
        document = yaml.safe_load(path.read_text())
        return [
            _table(source, table)
            for source in document["sources"]
            for table in source.get("tables", ())
        ]
    except yaml.YAMLError as error:
        raise ContractError(f"{shown} is not YAML: {error}") from None
    except (KeyError, TypeError, AttributeError, ContractError) as error:
        raise ContractError(
            f"{shown}: {error}. Every source has a name and tables; every table has columns, and "
            "every column a name and a data_type"
        ) from None


def _table(source: Mapping[str, Any], table: Mapping[str, Any]) -> Table:
    columns = tuple((str(c["name"]), str(c["data_type"]).lower()) for c in table["columns"])
    for column, data_type in columns:
        if data_type not in _ACCEPTED:
            raise ContractError(
                f"column {table['name']}.{column} has the data_type {data_type!r}; "
                f"known are {', '.join(sorted(_ACCEPTED))}"
            )
    return Table(
        schema=str(source.get("schema", source["name"])),
        name=str(table.get("identifier", table["name"])),
        source=str(source["name"]),
        columns=columns,
    )


def read_relations(connection: Connection, tables: Sequence[Table]) -> dict[str, Relation]:
    """What the catalog has under the contract's names, by qualified name."""
    rows = connection.execute(
        """
        select
            n.nspname || '.' || c.relname,
            c.relkind::text,
            coalesce(
                (
                    select jsonb_object_agg(a.attname, format_type(a.atttypid, null))
                    from pg_attribute as a
                    where a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped
                ),
                '{}'
            ),
            array(
                select a.attname::text
                from pg_attribute as a
                inner join pg_type as t on a.atttypid = t.oid
                where a.attrelid = c.oid and a.attnum > 0 and t.typtype = 'e'
            ),
            array(
                select a.attname::text
                from pg_index as i
                cross join unnest(i.indkey) with ordinality as k (attnum, position)
                inner join pg_attribute as a on a.attrelid = c.oid and a.attnum = k.attnum
                where i.indrelid = c.oid and i.indisprimary
                order by k.position
            )
        from pg_class as c
        inner join pg_namespace as n on c.relnamespace = n.oid
        where n.nspname || '.' || c.relname = any(%s)
        """,
        ([table.qualified for table in tables],),
    )
    return {
        name: Relation(kind, columns, frozenset(enums), tuple(key))
        for name, kind, columns, enums, key in rows
    }


def accepts(wanted: str, actual: str) -> bool:
    """Whether every value of a type of the primary's fits the contract's type."""
    return actual in _ACCEPTED[wanted]


def mismatches(tables: Sequence[Table], relations: Mapping[str, Relation]) -> list[str]:
    """One line for each way in which the primary does not fulfil the contract."""
    problems: list[str] = []
    for table in tables:
        relation = relations.get(table.qualified)
        if relation is None:
            problems.append(f"table {table.qualified} is missing")
            continue
        if relation.kind not in ("r", "p"):
            problems.append(f"{table.qualified} is not a table, so it cannot be replicated")
            continue
        for column, wanted in table.columns:
            actual = relation.columns.get(column)
            if actual is None:
                problems.append(f"column {table.qualified}.{column} is missing (wanted: {wanted})")
            elif not accepts(wanted, actual) and not (
                wanted == "text" and column in relation.enums
            ):
                mend = "; give it the data_type text" if actual == "json" else ""
                problems.append(
                    f"column {table.qualified}.{column} is {actual}, which does not fit {wanted}"
                    + mend
                )
        if not relation.key:
            problems.append(
                f"table {table.qualified} has no primary key, so its updates cannot be replicated"
            )
        elif missing := [name for name in relation.key if name not in table.column_names]:
            problems.append(
                f"table {table.qualified} has the primary key column {', '.join(missing)}, "
                "which the sources must list"
            )
    return problems


def check_platform(connection: Connection, tables: Sequence[Table]) -> None:
    """Raise PlatformMismatchError unless the platform's own tables fulfil the contract."""
    platform = [table for table in tables if table.source != "ai"]
    if problems := mismatches(platform, read_relations(connection, platform)):
        raise PlatformMismatchError(problems)
