"""The contract with the primary: every raw table and column that the dbt models read.

It is read from the sources in ``models/staging/*/*.yml``; the publication, the landing tables and
the check of the platform's tables (``runner.servers.relations``) are all made from it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from runner.errors import UsageError
from runner.settings import PROJECT

# The primary's types that fit each type of the contract: every value of these types arrives
# unchanged in the contract's type, since replication carries text.
_ACCEPTED: Mapping[str, frozenset[str]] = {
    "smallint": frozenset({"smallint"}),
    "integer": frozenset({"smallint", "integer"}),
    "bigint": frozenset({"smallint", "integer", "bigint"}),
    "numeric": frozenset({"numeric", "smallint", "integer", "bigint", "real", "double precision"}),
    # A numeric may be beyond all doubles, and one such row would stop all replication.
    "double precision": frozenset({"double precision", "real", "smallint", "integer", "bigint"}),
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
    known_as: str = field(default="", compare=False)
    """What the models call it, whatever its name on the platform."""

    @property
    def qualified(self) -> str:
        return f"{self.schema}.{self.name}"

    @property
    def column_names(self) -> tuple[str, ...]:
        return tuple(name for name, _ in self.columns)


class ContractError(UsageError):
    """A sources file does not say what replication needs to know."""


def read_contract(project: Path = PROJECT) -> tuple[Table, ...]:
    """Tables of all sources files, ordered by name; raise ContractError naming file and table."""
    paths = sorted(project.glob("models/staging/*/*.yml"))
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
            for source in (document or {}).get("sources", ())
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
        known_as=str(table["name"]),
    )


def accepts(wanted: str, actual: str) -> bool:
    """Whether every value of a type of the primary's fits the contract's type."""
    return actual in _ACCEPTED[wanted]
