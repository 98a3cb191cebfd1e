"""``platform.yml``: which of the platform's tables and columns are read, and what they mean.

The whole file is checked, without a database; every fault is told, with its line.
"""

from __future__ import annotations

import re
import zoneinfo
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any, Literal

import yaml
from pydantic import BaseModel, ConfigDict, ValidationError
from pydantic_core import ErrorDetails

from runner.errors import UsageError
from runner.platform import expressions
from runner.platform.expressions import THIS, Expression, ExpressionError
from runner.platform.roles import DAILY, FITTING, KEY, KEY_TYPES, NAIVE, ROLES, TYPES, WORD
from runner.settings import PROJECT, load

_Path = tuple[str, ...]
_OURS = ("mapped", "signal_marts", "changes")


class PlatformFileError(UsageError):
    """The mapping file is wrong: a line for each fault, with its place and the mend."""

    def __init__(self, file: Path, faults: list[tuple[int, str]]) -> None:
        told = (f"{file}:{line}: {' '.join(text.split())}" for line, text in sorted(set(faults)))
        super().__init__("\n".join(told))


@dataclass(frozen=True, slots=True)
class Lookup:
    """Another table, of which each row of the role's table has one at most.

    ``key`` is the other table's column that equals ``column`` of the role's table.
    """

    table: str
    key: str
    column: str


@dataclass(frozen=True, slots=True)
class Column:
    """A column of a role: an expression, the words for its texts, and the file's line."""

    expression: Expression
    words: Mapping[str, tuple[str, ...]]
    line: int


@dataclass(frozen=True, slots=True)
class Role:
    """A role that the platform has: its table, lookups by alias, filter, and columns by name."""

    name: str
    table: str
    lookups: Mapping[str, Lookup]
    where: Expression | None
    columns: Mapping[str, Column]
    line: int

    @property
    def tables(self) -> Mapping[str, str]:
        """The raw tables by alias, the role's own first."""
        return {THIS: self.table} | {alias: each.table for alias, each in self.lookups.items()}

    @property
    def is_summed_up(self) -> bool:
        """Whether its rows are sums of the table's rows by day."""
        return any(column.expression.is_aggregate for column in self.columns.values())


@dataclass(frozen=True, slots=True)
class Platform:
    """A mapping file that was read and checked.

    Attributes:
        path: the file.
        timezone: zone of the platform's times without zone.
        tables: the listed columns' types by name, by qualified table.
        roles: the roles that the platform has, by name.
    """

    path: Path
    timezone: str
    tables: Mapping[str, Mapping[str, str]]
    roles: Mapping[str, Role]

    def key_type(self, role: str) -> str:
        """The type of a role's keys; bigint where the platform has no such role."""
        if role not in self.roles or "id" not in self.roles[role].columns:
            return "bigint" if role != DAILY else "text"
        key = self.roles[role].columns["id"].expression.column
        return self.tables[self.roles[role].table][str(key)]


def variables(platform: Platform) -> dict[str, str]:
    """The environment in which dbt knows the types of keys that are not its default, bigint."""
    types = {
        "SIGNAL_MARTS_PATTERN_KEY": platform.key_type("micro_patterns"),
        "SIGNAL_MARTS_PLAN_KEY": platform.key_type("trade_plans"),
        "SIGNAL_MARTS_ORDER_KEY": platform.key_type("trading_orders"),
    }
    return {name: data_type for name, data_type in types.items() if data_type != "bigint"}


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid")


class _GivenColumn(_Strict):
    value: str
    words: dict[str, list[str]] = {}


class _GivenLookup(_Strict):
    table: str
    on: dict[str, str]


class _GivenRole(_Strict):
    table: str
    lookups: dict[str, _GivenLookup] = {}
    where: str | None = None
    columns: dict[str, str | _GivenColumn]


class _GivenFile(_Strict):
    timezone: str = "UTC"
    tables: dict[str, dict[str, str]]
    micro_patterns: _GivenRole | Literal["absent"]
    trade_plans: _GivenRole | Literal["absent"]
    trading_orders: _GivenRole | Literal["absent"]
    trading_stats: _GivenRole | Literal["absent"]


def read(path: Path | None = None) -> Platform:
    """Read a mapping file, by default the setting's; raise PlatformFileError with all faults."""
    path = path or default_path()
    try:
        text = path.read_text("utf-8")
    except OSError as error:
        raise PlatformFileError(path, [(1, f"cannot be read ({error.strerror})")]) from None
    except UnicodeDecodeError:
        raise PlatformFileError(path, [(1, "is no text in UTF-8")]) from None
    return parse(path, text)


def default_path() -> Path:
    """The file of the setting, else the project's."""
    return load().platform or PROJECT / "platform.yml"


@lru_cache(maxsize=8)
def parse(path: Path, text: str) -> Platform:
    """The platform that the text of a file describes; raise PlatformFileError with all faults."""
    return _Reader(path, text).read()


class _Reader:
    """Reads one file; ``faults`` are those found so far, ``lines`` the places of all values."""

    def __init__(self, path: Path, text: str) -> None:
        self.path = path
        self.text = text
        self.lines: dict[_Path, int] = {(): 1}
        self.faults: list[tuple[int, str]] = []

    def read(self) -> Platform:
        document = self._document()
        try:
            given = _GivenFile.model_validate(document)
        except ValidationError as error:
            for fault in error.errors():
                self._told_by_pydantic(fault)
            raise PlatformFileError(self.path, self.faults) from None
        tables = self._tables(given)
        roles = {
            name: self._role(name, role, tables)
            for name in ROLES
            if isinstance(role := getattr(given, name), _GivenRole)
        }
        platform = Platform(self.path, self._zone(given), tables, roles)
        if not self.faults:
            for name, role in roles.items():
                self._references(platform, name, role)
        if self.faults:
            raise PlatformFileError(self.path, self.faults)
        return platform

    def _fault(self, place: _Path, text: str) -> None:
        line = next(
            self.lines[place[:n]] for n in range(len(place), -1, -1) if place[:n] in self.lines
        )
        self.faults.append((line, f"{'.'.join(place)} {text}" if place else text))

    # --- the shape ------------------------------------------------------------------------------

    def _document(self) -> Any:
        try:
            if any(isinstance(event, yaml.AliasEvent) for event in yaml.parse(self.text)):
                raise PlatformFileError(self.path, [(1, "has an alias (*…); write it out")])
            node = yaml.compose(self.text, Loader=yaml.BaseLoader)
        except (yaml.YAMLError, RecursionError) as error:
            mark = getattr(error, "problem_mark", None)
            told = getattr(error, "problem", None) or str(error)
            line = 1 if mark is None else mark.line + 1
            mend = "put an expression with quotes, ': ' or ' #' in single quotes as a whole"
            raise PlatformFileError(self.path, [(line, f"is no YAML: {told}; {mend}")]) from None
        document = self._plain(node, ())
        if self.faults:
            raise PlatformFileError(self.path, self.faults)
        return document

    def _plain(self, node: yaml.Node | None, place: _Path) -> Any:
        """A node's value, of which each scalar is a text; its lines are noted."""
        if isinstance(node, yaml.MappingNode):
            values: dict[str, Any] = {}
            for key, value in node.value:
                if not isinstance(key, yaml.ScalarNode):
                    self.faults.append((key.start_mark.line + 1, "a name here is no text"))
                    continue
                inner = (*place, key.value)
                if key.value in values:
                    self.faults.append(
                        (key.start_mark.line + 1, f"{'.'.join(inner)} is there twice")
                    )
                self.lines.setdefault(inner, key.start_mark.line + 1)
                values[key.value] = self._plain(value, inner)
            return values
        if isinstance(node, yaml.SequenceNode):
            return [self._plain(value, (*place, str(n))) for n, value in enumerate(node.value)]
        if node is not None and re.search("[\0\ud800-\udfff]", node.value):
            self.faults.append((node.start_mark.line + 1, "has a character that no text may have"))
        return None if node is None else node.value

    def _told_by_pydantic(self, fault: ErrorDetails) -> None:
        # A choice of types names the type in the path: only names of the file are kept.
        place: _Path = ()
        for part in fault["loc"] or ("",):
            if (*place, str(part)) in self.lines:
                place = (*place, str(part))
        missing = str(fault["loc"][-1]) if fault["loc"] else ""
        match fault["type"]:
            case "missing":
                self._fault((*place, missing) if place else (missing,), "is missing")
            case "extra_forbidden":
                self._fault(place, f"is not known here; {self._known(place)}")
            case "dict_type" | "model_type" | "model_attributes_type":
                self._fault(place, "is a mapping of names to values")
            case "literal_error":
                self._fault(place, "is a mapping, or the word absent")
            case "list_type":
                self._fault(place, "is a list of texts")
            case _:
                self._fault(place, "is a text")

    def _known(self, place: _Path) -> str:
        forms: dict[int, type[BaseModel]] = {1: _GivenFile, 4: _GivenColumn}
        known = forms.get(len(place), _GivenRole)
        if len(place) == 4 and place[1] == "lookups":
            known = _GivenLookup
        return f"known are {', '.join(known.model_fields)}"

    # --- the meaning ----------------------------------------------------------------------------

    def _zone(self, given: _GivenFile) -> str:
        if given.timezone not in zoneinfo.available_timezones() - {"localtime", "Factory"}:
            self._fault(
                ("timezone",), f"is {given.timezone!r}, no name of a zone such as Europe/Berlin"
            )
        return given.timezone

    def _tables(self, given: _GivenFile) -> dict[str, dict[str, str]]:
        tables: dict[str, dict[str, str]] = {}
        for name, columns in given.tables.items():
            place = ("tables", name)
            schema, dot, table = name.partition(".")
            if not (schema and dot and table):
                self._fault(place, "is no name of a table with its schema, such as public.orders")
            if schema in _OURS:
                self._fault(place, f"is in {schema}, a schema of this program's on the replica")
            if not columns:
                self._fault(place, "lists no columns")
            tables[name] = {}
            for column, data_type in columns.items():
                tables[name][column] = data_type.lower()
                if data_type.lower() not in TYPES:
                    self._fault(
                        (*place, column),
                        f"has the type {data_type!r}; known are {', '.join(sorted(TYPES))}",
                    )
        return tables

    def _role(self, name: str, given: _GivenRole, tables: Mapping[str, Mapping[str, str]]) -> Role:
        scope = {THIS: self._columns_of((name, "table"), given.table, tables)}
        lookups: dict[str, Lookup] = {}
        for alias, lookup in given.lookups.items():
            place = (name, "lookups", alias)
            theirs = self._columns_of((*place, "table"), lookup.table, tables)
            if alias == THIS or not alias.isidentifier() or alias != alias.lower():
                self._fault(place, "is no plain name of lower-case letters")
            if len(lookup.on) != 1:
                self._fault(
                    (*place, "on"), "names one column of the lookup, and the column equal to it"
                )
                continue
            ((key, column),) = lookup.on.items()
            scope[alias] = theirs
            lookups[alias] = Lookup(lookup.table, key, column)
            for wanted, at, table in (
                (key, theirs, lookup.table),
                (column, scope[THIS], given.table),
            ):
                if at and wanted not in at:
                    self._fault((*place, "on"), f"names {wanted}, which {table} does not list")
            types = {theirs.get(key), scope[THIS].get(column)}
            if len(types) > 1 and None not in types:
                self._fault(
                    (*place, "on"),
                    f"joins {key} ({theirs[key]}) with {column} ({scope[THIS][column]}); list both "
                    "in one type",
                )
        where = None
        if given.where is not None:
            where = self._expression((name, "where"), given.where, scope)
            if where is not None and where.is_aggregate:
                self._fault((name, "where"), "sums up rows; a filter is a condition on one row")
        columns = {
            column: found
            for column in ROLES[name]
            if column in given.columns
            and (found := self._column(name, column, given.columns[column], scope)) is not None
        }
        for column in given.columns:
            if column not in ROLES[name]:
                self._fault(
                    (name, "columns", column),
                    f"is no column of {name}; known are {', '.join(ROLES[name])}",
                )
        for column, field in ROLES[name].items():
            if field.is_required and column not in given.columns:
                self._fault((name, "columns"), f"lacks {column}, without which no row can be used")
        role = Role(name, given.table, lookups, where, columns, self.lines[(name,)])
        if role.is_summed_up and "id" in columns:
            self._fault((name, "columns", "id"), "is the day by itself where columns sum up rows")
        return role

    def _columns_of(
        self, place: _Path, table: str, tables: Mapping[str, Mapping[str, str]]
    ) -> Mapping[str, str]:
        if table not in tables:
            self._fault(place, f"is {table}, which is not under tables: {', '.join(tables)}")
        return tables.get(table, {})

    def _expression(
        self, place: _Path, text: str, scope: Mapping[str, Mapping[str, str]]
    ) -> Expression | None:
        try:
            # Without its columns' list, a table was told already.
            return (
                expressions.read(text, {a: list(c) for a, c in scope.items()})
                if scope[THIS]
                else None
            )
        except ExpressionError as error:
            self._fault(place, str(error))
            return None

    def _column(
        self,
        role: str,
        name: str,
        given: str | _GivenColumn,
        scope: Mapping[str, Mapping[str, str]],
    ) -> Column | None:
        place = (role, "columns", name)
        given = _GivenColumn(value=given) if isinstance(given, str) else given
        read_expression = self._expression(place, given.value, scope)
        field = ROLES[role][name]
        self._words(place, field.kind, field.words, given.words)
        if read_expression is None:
            return None
        if read_expression.is_aggregate and (role != DAILY or field.kind == KEY):
            self._fault(place, f"sums up rows, which only columns of {DAILY} may do")
        own = scope[THIS].get(str(read_expression.column))
        if field.kind == KEY and not field.refers_to and own is None:
            self._fault(
                place, f"is no column of {role}'s table: a key is a column, so that it is found"
            )
        elif own is not None and field.kind == KEY and own not in KEY_TYPES:
            self._fault(place, f"is {own}; list it as bigint where it is an integer, else as text")
        elif own is not None and own != NAIVE and own not in FITTING[field.kind]:
            self._fault(
                place,
                f"is {own}, which is no {field.kind}: {', '.join(sorted(FITTING[field.kind]))}",
            )
        words = {word: tuple(texts) for word, texts in given.words.items()}
        return Column(read_expression, words, self.lines[place])

    def _words(
        self, place: _Path, kind: str, known: tuple[str, ...], given: Mapping[str, list[str]]
    ) -> None:
        if given and kind != WORD:
            self._fault((*place, "words"), "are for columns of words alone")
            return
        seen: dict[str, str] = {}
        for word, texts in given.items():
            if word not in known:
                self._fault((*place, "words", word), f"is none of {', '.join(known)}")
            for text in texts:
                other = seen.setdefault(text.strip().lower(), word)
                if other != word:
                    self._fault((*place, "words", word), f"has {text!r}, which {other} has as well")

    def _references(self, platform: Platform, name: str, role: Role) -> None:
        for column, field in ROLES[name].items():
            if column not in role.columns or not field.refers_to:
                continue
            own = role.columns[column].expression.column
            wanted = platform.key_type(field.refers_to)
            actual = platform.tables[role.table].get(str(own))
            if field.refers_to in platform.roles and actual not in (None, wanted):
                self._fault(
                    (name, "columns", column),
                    f"is {actual}, and the keys of {field.refers_to} are {wanted}",
                )
