"""Tables in a database's catalog, and the problems that prevent their replication.

``problems`` lists all problems, each with its fix, for deploy, ``doctor`` and ``status``.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from importlib import resources

from psycopg import sql

from runner.errors import UsageError
from runner.servers.contract import Table, accepts
from runner.servers.database import Connection

MADE_BY = "made by signal-marts"
"""The comment by which a role is known for ours."""

_KINDS = {
    "v": "view",
    "m": "materialized view",
    "f": "foreign table",
    "S": "sequence",
    "c": "composite type",
}

_FITTING = {("jsonb", "json"): "text", ("double precision", "numeric"): "numeric"}
"""The data_type for a column whose type may hold what the wanted one refuses."""


@dataclass(frozen=True)
class Part:
    """A table, one of its partitions at any depth, or a child that inherits from it.

    ``identity`` is its REPLICA IDENTITY as the catalog abbreviates it. ``by_key`` and ``by_index``
    are the columns that name a row by DEFAULT and USING INDEX: None if there is no such index, or
    the index is deferrable, so that PostgreSQL does not use it.
    """

    schema: str
    name: str
    kind: str
    is_permanent: bool
    is_child: bool
    identity: str
    by_key: Sequence[str] | None
    by_index: Sequence[str] | None

    @property
    def quoted(self) -> str:
        """Its name, for a statement to paste."""
        return sql.Identifier(self.schema, self.name).as_string()

    @property
    def is_partitioned(self) -> bool:
        """Whether its rows lie in other parts."""
        return self.kind == "p"

    @property
    def named_by(self) -> Sequence[str] | None:
        """Columns by which an UPDATE or DELETE names its row to the replica; None for none."""
        return {"d": self.by_key, "i": self.by_index}.get(self.identity)


@dataclass(frozen=True)
class Relation:
    """A table as a database's catalog has it: columns' types and primary key.

    The type of a column over a domain is the domain's base type. ``generated`` columns are stored
    (``s``) or virtual (``v``). ``parts`` begin with the table itself. ``is_hidden``: row level
    security may hide rows from the reader, whose role may not be there yet.
    """

    kind: str
    columns: Mapping[str, str]
    enums: frozenset[str]
    key: tuple[str, ...]
    generated: Mapping[str, str]
    parts: tuple[Part, ...]
    is_hidden: bool
    has_reader: bool


@dataclass(frozen=True)
class Problem:
    """A fault that replication cannot work with; the mend is a statement, or an instruction."""

    text: str
    mend: str

    def __str__(self) -> str:
        return f"{self.text}; mend it: {self.mend}"


class PlatformMismatchError(UsageError):
    """The primary's tables are not as the contract says, or cannot be replicated as they are."""

    def __init__(self, problems: Sequence[Problem]) -> None:
        lines = [
            "the primary does not fulfil the contract (platform.yml, migrations/ for AI tables):"
        ]
        for mend, alike in itertools.groupby(problems, lambda problem: problem.mend):
            lines += [f"  - {problem.text}" for problem in alike]
            lines.append(f"    mend: {mend}")
        super().__init__("\n".join(lines))
        self.problems = tuple(problem.text for problem in problems)


def read_relations(
    connection: Connection, tables: Sequence[Table], reader: str | None = None
) -> dict[str, Relation]:
    """The catalog's tables under the contract's names, by qualified name.

    ``reader`` is the role whose rights count where the tables are copied; None if unknown.
    """
    rows = connection.execute(
        resources.files("runner.sql").joinpath("relations.sql").read_text("utf-8"),
        {"names": [table.qualified for table in tables], "reader": reader},
    )
    return {
        name: Relation(
            kind,
            columns,
            frozenset(enums),
            tuple(key),
            generated,
            tuple(Part(**part) for part in parts),
            is_hidden,
            has_reader,
        )
        for name, kind, columns, enums, key, generated, parts, is_hidden, has_reader in rows
    }


def problems(connection: Connection, tables: Sequence[Table], reader: str | None) -> list[Problem]:
    """All problems that keep the primary's tables from being replicated as the contract says."""
    relations = read_relations(connection, tables, reader)
    return [
        problem
        for table in tables
        for problem in _problems_of(
            table, relations.get(table.qualified), reader, connection.info.server_version
        )
    ]


def _problems_of(
    table: Table, relation: Relation | None, reader: str | None, version: int
) -> Iterator[Problem]:
    if relation is None:
        yield Problem(f"table {table.qualified} is missing", _put_back(table))
        return
    if relation.kind not in ("r", "p"):
        kind = _KINDS.get(relation.kind, "relation of another kind")
        yield Problem(
            f"{table.qualified} is a {kind}, and only tables can be replicated",
            f"name the table behind it in platform.yml, in place of this {kind}",
        )
        return
    yield from _columns(table, relation, version)
    if not relation.key:
        yield Problem(
            f"table {table.qualified} has no primary key, so its updates cannot be replicated",
            f"alter table {table.qualified} add primary key (id);  -- or its key's columns",
        )
    elif missing := [name for name in relation.key if name not in table.column_names]:
        yield Problem(
            f"table {table.qualified} has the primary key column {', '.join(missing)}, "
            "which the sources must list",
            "list it under tables in platform.yml",
        )
    else:
        # Partitions come before the whole table, whose fix assumes theirs.
        for part in (*relation.parts[1:], relation.parts[0]):
            yield from _part(table, relation, part)
    if relation.is_hidden and reader is not None:
        yield _hidden(table, relation, reader)


def stops_writes(relation: Relation, published: set[str]) -> bool:
    """Whether UPDATE and DELETE fail if only these columns of a table are published."""
    return any(_stops_writes(part, published) for part in relation.parts)


def _stops_writes(part: Part, published: set[str]) -> bool:
    return (
        not part.is_partitioned
        and not part.is_child
        and (part.named_by is None or not published.issuperset(part.named_by))
    )


def _put_back(table: Table) -> str:
    if table.source == "ai":
        return "put it back as the files in migrations/ make it, then run signal-marts deploy"
    return (
        "where your platform names or types it otherwise, say so in platform.yml, or let "
        "signal-marts adopt write it; else put it back"
    )


def _columns(table: Table, relation: Relation, version: int) -> Iterator[Problem]:
    for column, wanted in table.columns:
        name = f"{table.qualified}.{column}"
        actual = relation.columns.get(column)
        if actual is None:
            yield Problem(f"column {name} is missing (wanted: {wanted})", _put_back(table))
        elif not accepts(wanted, actual) and not (wanted == "text" and column in relation.enums):
            yield Problem(
                f"column {name} is {actual}, which does not fit {wanted}",
                f"give it the data_type {fitting}"
                if (fitting := _FITTING.get((wanted, actual)))
                else _put_back(table),
            )
        generated = relation.generated.get(column)
        if generated == "v" or (generated == "s" and version < 180000):
            yield Problem(
                f"column {name} is generated, and PostgreSQL does not replicate it"
                + (" unless it is stored" if generated == "v" else " before version 18"),
                "list in platform.yml what it is generated from, and compute it there",
            )


def _part(table: Table, relation: Relation, part: Part) -> Iterator[Problem]:
    """The problems of a table's own part, a partition or a child."""
    whole = part is relation.parts[0]
    shown = table.qualified if whole else f"{part.schema}.{part.name}"
    place = "" if whole else f", a partition of {table.qualified},"
    if part.is_child:
        yield Problem(
            f"{shown} inherits from {table.qualified}, which shows its rows; replication does not",
            f"alter table {part.quoted} no inherit {relation.parts[0].quoted};"
            "  -- or make it a partition",
        )
        return
    if not part.is_permanent:
        yield Problem(
            f"{shown}{place} is unlogged, so its changes cannot be replicated",
            f"alter table {part.quoted} set logged;",
        )
    if part.is_partitioned and (not whole or part.identity == "f"):
        return  # Its rows lie in other parts, and the key's columns are announced to the replica.
    if (fault := _identity_fault(table, relation, part)) is not None:
        what = (
            f"UPDATE and DELETE on {table.qualified} fail once it is published"
            if _stops_writes(part, set(table.column_names))
            else f"the replica cannot apply UPDATE and DELETE on {table.qualified}"
        )
        yield Problem(
            f"{what}: {'it' if whole else f'its partition {shown}'} {fault}",
            _named(part, relation.key),
        )


def _identity_fault(table: Table, relation: Relation, part: Part) -> str | None:
    """The fault of the columns by which an UPDATE or DELETE names its row, or None."""
    if part.named_by is None:
        return {
            "d": "has a deferrable primary key",
            "n": "has replica identity nothing",
            "f": "has replica identity full",
        }.get(part.identity, "has a replica identity whose index is gone or deferrable")
    if _stops_writes(part, set(table.column_names)):
        unlisted = [name for name in part.named_by if name not in table.column_names]
        return f"has a replica identity with {', '.join(unlisted)}, which the sources do not list"
    if lacking := [name for name in relation.key if name not in part.named_by]:
        return f"has a replica identity without {', '.join(lacking)} of the primary key"
    return None


def _named(part: Part, key: Sequence[str]) -> str:
    """The statements after which a part's rows are named by its key."""
    if part.by_key is not None:
        return f"alter table {part.quoted} replica identity default;"
    # The key itself stays: foreign keys may depend on it.
    name = sql.Identifier(f"{part.name[:50]}_identity").as_string()
    columns = ", ".join(sql.Identifier(column).as_string() for column in key)
    return (
        f"create unique index {'' if part.is_partitioned else 'concurrently '}{name} on "
        f"{part.quoted} ({columns}); alter table {part.quoted} replica identity using index {name};"
    )


def _hidden(table: Table, relation: Relation, reader: str) -> Problem:
    """Rows that a copy by the reader would lack."""
    role = sql.Identifier(reader).as_string()
    name = table.identifier.as_string()
    made = (
        ""
        if relation.has_reader
        else f"create role {role}; comment on role {role} is {sql.Literal(MADE_BY).as_string()}; "
    )
    return Problem(
        f"row level security hides rows of {table.qualified} from {reader}, so that a copy would "
        "lack them",
        f"{made}create policy signal_marts on {name} for select to {role} using (true);"
        "  -- or, under a restrictive policy, set REPLICATION_URL to a login with bypassrls",
    )


def check_platform(connection: Connection, tables: Sequence[Table], reader: str | None) -> None:
    """Raise PlatformMismatchError unless the existing tables of the contract fulfil it."""
    if found := problems(connection, present(connection, tables), reader):
        raise PlatformMismatchError(found)


def present(connection: Connection, tables: Sequence[Table]) -> list[Table]:
    """The contract without the tables and columns that the project's migrations are still to make.

    A table of such a name may be the platform's: the migrations leave it alone.
    """
    relations = read_relations(connection, tables)
    return [
        replace(
            table,
            columns=tuple(
                column
                for column in table.columns
                if table.source != "ai" or column[0] in relations[table.qualified].columns
            ),
        )
        for table in tables
        if table.source != "ai" or table.qualified in relations
    ]
