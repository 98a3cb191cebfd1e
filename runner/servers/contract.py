"""The contract with the primary: every raw table and column that the dbt models read.

The AI tables are listed in the sources of ``models/staging/ai``, the platform's in ``platform.yml``
(``runner.platform``). The publication, the landing tables and the check of the platform's tables
(``runner.servers.relations``) are all made from it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path
from typing import Any

import yaml
from psycopg import sql

from runner.errors import UsageError
from runner.platform import mapping
from runner.settings import PROJECT

AI_SOURCES = "models/staging/ai"

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

    @property
    def qualified(self) -> str:
        return f"{self.schema}.{self.name}"

    @property
    def identifier(self) -> sql.Identifier:
        """Its quoted name."""
        return sql.Identifier(self.schema, self.name)

    @property
    def column_names(self) -> tuple[str, ...]:
        return tuple(name for name, _ in self.columns)


class ContractError(UsageError):
    """A sources file does not say what replication needs to know."""


def read_contract() -> tuple[Table, ...]:
    """All tables, ordered by name; raise ContractError or PlatformFileError."""
    platform = mapping.read()
    references = {
        "pattern_id": platform.key_type("micro_patterns"),
        "trade_plan_id": platform.key_type("trade_plans"),
    }
    ai = [
        replace(table, columns=tuple((c, references.get(c, t)) for c, t in table.columns))
        if table.name == "ai_trading_signals"
        else table
        for table in ai_tables()
    ]
    if both := sorted({table.qualified for table in ai} & platform.tables.keys()):
        raise ContractError(
            f"{platform.path} lists {', '.join(both)}, which {AI_SOURCES} lists; keep one of them"
        )
    return tuple(sorted([*ai, *platform_tables(platform)]))


def platform_tables(platform: mapping.Platform) -> list[Table]:
    """The tables of a mapping file."""
    return [
        Table(schema, name, "platform", tuple(columns.items()))
        for qualified, columns in platform.tables.items()
        for schema, name in [qualified.split(".", 1)]
    ]


def ai_tables() -> list[Table]:
    """The project's own tables on the primary; raise ContractError where their list is wrong."""
    paths = sorted((PROJECT / AI_SOURCES).glob("*.yml"))
    tables = [table for path in paths for table in _read_sources(path)]
    if not tables:
        raise ContractError(f"no sources under {PROJECT / AI_SOURCES}: is this the project?")
    return tables


def _read_sources(path: Path) -> list[Table]:
    shown = path.relative_to(PROJECT)
    try:
        return list(_tables(path.read_text()))
    except yaml.YAMLError as error:
        raise ContractError(f"{shown} is not YAML: {error}") from None
    except (KeyError, TypeError, AttributeError, ContractError) as error:
        raise ContractError(
            f"{shown}: {error}. Every source has a name and tables; every table has columns, "
            "and every column a name and a data_type"
        ) from None


# Kept, since each wait and each round asks, and PyYAML takes 35 ms for these files.
@lru_cache(maxsize=64)
def _tables(text: str) -> tuple[Table, ...]:
    return tuple(
        _table(source, table)
        for source in yaml.safe_load(text).get("sources", ())
        for table in source["tables"]
    )


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


def accepts(wanted: str, actual: str) -> bool:
    """Whether every value of a type of the primary's fits the contract's type."""
    return actual in _ACCEPTED[wanted]
