"""Texts of statements as pg_stat_statements keeps them: which tables they name, and what their
parameters are compared with.

A text is cut into words; nothing here knows SQL's grammar. What a text says otherwise than these
rules read it is found by the server, which prepares it and knows the replica's scratch copies only.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

CUT_AT = 1000
"""Samples keep so many characters of a text."""

_WORD = re.compile(
    r'"(?:[^"]|"")*"'
    r"|'(?:[^']|'')*'"
    r"|\$\d+|[^\W\d][\w$]*|\d+(?:\.\d+)?"
    r"|::|<=|>=|<>|!=|\S"
)
_KEYWORDS = frozenset(
    [
        *("as", "cross", "except", "fetch", "for", "full", "group", "having", "inner", "intersect"),
        *("join", "lateral", "left", "limit", "natural", "offset", "on", "order", "returning"),
        *("right", "set", "tablesample", "union", "using", "values", "where", "window"),
    ]
)
"""Words after a table's name that are no alias."""

_MIRRORED = {"=": "=", "<>": "<>", "!=": "!=", "<": ">", ">": "<", "<=": ">=", ">=": "<="}
_LOWER, _UPPER = (">", ">="), ("<", "<=")


class Name(NamedTuple):
    """A table of the primary."""

    schema: str
    table: str

    def __str__(self) -> str:
        return f"{self.schema}.{self.table}"


@dataclass(frozen=True, order=True)
class Use:
    """What a parameter is for.

    ``equal`` (a condition that a column equals it), ``array`` (the same, as an array), ``value``
    (compared with a column in another way, or assigned to it), ``lower`` and ``upper`` (an end of a
    range of a column), ``limit``, ``offset``, or ``constant`` (a value that chooses no row).
    """

    kind: str
    table: str = ""
    column: str = ""

    def __str__(self) -> str:
        if self.kind in ("lower", "upper"):
            return f"{self.kind} end of a range of {self.column}"
        return f"{self.column} of a row" if self.column else self.kind


@dataclass(frozen=True)
class Text:
    """A statement that names scratch copies: their names, and the uses of its parameters.

    ``unknown`` are the parameters for which there is no use.
    """

    text: str
    tables: frozenset[str]
    uses: Mapping[int, Use]
    unknown: tuple[int, ...]


def words(text: str) -> list[str]:
    return _WORD.findall(text)


def name_of(word: str) -> str:
    """The name that a word is, folded as the server folds it."""
    return word[1:-1].replace('""', '"') if word.startswith('"') else word.lower()


def quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


def is_foreign(text: str) -> bool:
    """Whether a text has a name of a schema that is not PostgreSQL's own."""
    parts = words(text)
    return any(
        word == "." and name_of(before) != "pg_catalog"
        for before, word in zip(["", *parts], parts, strict=False)
    )


def tables_named(text: str, known: Sequence[Name]) -> set[Name]:
    """The tables of ``known`` that a text names, perhaps.

    A name without a schema is that of ``public``, or of the only schema with such a table.
    """
    parts = words(text)
    found = set()
    for n, word in enumerate(parts):
        if not _is_name(word):
            continue
        name = name_of(word)
        if n > 1 and parts[n - 1] == ".":
            found |= {Name(name_of(parts[n - 2]), name)} & {*known}
            continue
        schemas = [schema for schema, table in known if table == name]
        if "public" in schemas:
            found.add(Name("public", name))
        elif len(schemas) == 1:
            found.add(Name(schemas[0], name))
    return found


def read(text: str, columns: Mapping[Name, Sequence[str]]) -> Text:
    """A statement in which each table is named without its schema, and what its parameters are for.

    ``columns`` are those of the tables that it names.
    """
    parts = words(text.rstrip().rstrip(";"))
    names = {table for _, table in columns}
    n = 0
    while n + 2 < len(parts):
        if parts[n + 1] == "." and Name(name_of(parts[n]), name_of(parts[n + 2])) in columns:
            parts[n : n + 3] = [quoted(name_of(parts[n + 2]))]
        n += 1
    of = {table: set(known) for (_, table), known in columns.items()}
    bare = list(_without_casts(parts))
    uses = dict(_uses(bare, of, _aliases(bare, names)))
    numbers = sorted({int(word[1:]) for word in parts if re.fullmatch(r"\$\d+", word)})
    return Text(
        " ".join(parts),
        frozenset(names),
        uses,
        tuple(number for number in numbers if number not in uses),
    )


def _is_name(word: str) -> bool:
    return word[0] == '"' or word[0] == "_" or word[0].isalpha()


def _without_casts(parts: Sequence[str]) -> Iterator[str]:
    """Words without ``::type``."""
    n = 0
    while n < len(parts):
        if parts[n] != "::":
            yield parts[n]
            n += 1
            continue
        n += 2
        lower = [word.lower() for word in parts[n : n + 3]]
        if lower[1:] == ["time", "zone"]:
            n += 3
        elif lower[:1] in (["precision"], ["varying"]):
            n += 1
        if parts[n : n + 1] == ["("]:
            n = parts.index(")", n) + 1 if ")" in parts[n:] else len(parts)
        if parts[n : n + 2] == ["[", "]"]:
            n += 2


def _aliases(parts: Sequence[str], names: set[str]) -> dict[str, str]:
    found = {name: name for name in names}
    for n, word in enumerate(parts):
        if not _is_name(word) or name_of(word) not in names:
            continue
        after = n + 2 if parts[n + 1 : n + 2] and parts[n + 1].lower() == "as" else n + 1
        if after < len(parts) and _is_name(parts[after]) and parts[after].lower() not in _KEYWORDS:
            found[name_of(parts[after])] = name_of(word)
    return found


def _uses(
    parts: Sequence[str], columns: Mapping[str, set[str]], aliases: Mapping[str, str]
) -> Iterator[tuple[int, Use]]:
    lower = [word.lower() for word in parts]
    where = lower.index("where") if "where" in lower else len(lower)

    def column(kind: str, end: int) -> Use | None:
        """The column that ends before ``end``."""
        if end < 1 or not _is_name(parts[end - 1]):
            return None
        name = name_of(parts[end - 1])
        tables = [table for table, known in columns.items() if name in known]
        if end > 2 and parts[end - 2] == ".":
            table = aliases.get(name_of(parts[end - 3]))
            tables = [table] if table in tables else []
        return Use(kind, tables[0], name) if len(tables) == 1 else None

    def compared(operator: str, end: int) -> Use | None:
        if operator in _LOWER or operator in _UPPER:
            return column("lower" if operator in _LOWER else "upper", end)
        return column("equal" if operator == "=" and end > where else "value", end)

    def use(n: int) -> Use | None:
        before = lower[n - 1] if n else ""
        if before in ("limit", "offset"):
            return Use(before)
        if lower[n + 1 : n + 2] and lower[n + 1] in "+-*/%|":
            return Use("constant") if n < where else None
        if before in _MIRRORED or before in ("like", "ilike"):
            return compared(before, n - 1)
        if before == "between":
            return column("lower", n - 1)
        if before == "and" and n > 2 and lower[n - 3] == "between":
            return column("upper", n - 3)
        if before == "(" and n > 2 and lower[n - 3 : n - 1] == ["=", "any"]:
            return column("array", n - 3)
        if lower[n + 1 : n + 2] and lower[n + 1] in _MIRRORED:
            end = n + 3 if parts[n + 3 : n + 4] != ["."] else n + 5
            if (found := compared(_MIRRORED[lower[n + 1]], end)) is not None:
                return found
        opened = n - 1
        while opened > 1 and (parts[opened] == "," or parts[opened][0] == "$"):
            opened -= 1
        if parts[opened] == "(" and lower[opened - 1] == "in":
            return column("equal", opened - 1)
        return Use("constant") if n < where else None

    for n, word in enumerate(parts):
        if re.fullmatch(r"\$\d+", word) and (found := use(n)) is not None:
            yield int(word[1:]), found
