"""``platform.yml``: which of the platform's tables and columns are read, and what they mean.

The whole file is checked, without a database; every fault is told, with its line.
"""

from __future__ import annotations

import zoneinfo
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Literal

import yaml
from pydantic import BaseModel, ConfigDict, TypeAdapter

from runner import yaml_files
from runner.errors import UsageError
from runner.platform import expressions
from runner.platform.expressions import THIS, Expression, ExpressionError
from runner.platform.roles import DAILY, FITTING, KEY, KEY_TYPES, NAIVE, ROLES, TYPES, WORD
from runner.settings import PROJECT, load
from runner.yaml_files import Place

_OURS = ("mapped", "signal_marts", "changes")


class PlatformFileError(UsageError):
    """The mapping file is wrong: a line for each fault, with its place and the mend."""


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
    """A column of a role: an expression, and the words for its texts."""

    expression: Expression
    words: Mapping[str, tuple[str, ...]]


@dataclass(frozen=True, slots=True)
class Role:
    """A role that the platform has: its table, lookups by alias, filter, and columns by name."""

    name: str
    table: str
    lookups: Mapping[str, Lookup]
    where: Expression | None
    columns: Mapping[str, Column]

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
        file: the file.
        timezone: zone of the platform's times without zone.
        tables: the listed columns' types by name, by qualified table.
        roles: the roles that the platform has, by name.
    """

    file: yaml_files.File
    timezone: str
    tables: Mapping[str, Mapping[str, str]]
    roles: Mapping[str, Role]

    @property
    def path(self) -> Path:
        """Where the file is."""
        return self.file.path

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
        raise PlatformFileError(f"{path}:1: cannot be read ({error.strerror})") from None
    except UnicodeDecodeError:
        raise PlatformFileError(f"{path}:1: is no text in UTF-8") from None
    return parse(path, text)


def default_path() -> Path:
    """The file of the setting, else the project's."""
    return load().platform or PROJECT / "platform.yml"


@lru_cache(maxsize=8)
def parse(path: Path, text: str) -> Platform:
    """The platform that the text of a file describes; raise PlatformFileError with all faults."""
    return _Reader(path, text).read()


class _Reader:
    """Reads one file, of which each value is a text; ``faults`` are those found so far."""

    def __init__(self, path: Path, text: str) -> None:
        mend = "; put an expression with quotes, ': ' or ' #' in single quotes as a whole"
        with suppress(yaml.YAMLError):
            if any(isinstance(event, yaml.AliasEvent) for event in yaml.parse(text)):
                raise PlatformFileError(f"{path}:1: has an alias (*…); write it out")
        self.file = yaml_files.parse(path, text, PlatformFileError, yaml.BaseLoader, mend)
        self.faults: list[tuple[Place, str]] = []

    def read(self) -> Platform:
        parts = (_GivenFile, _GivenRole, _GivenLookup, _GivenColumn)
        known = dict.fromkeys(name for part in parts for name in part.model_fields)
        given = self.file.validated(TypeAdapter(_GivenFile), known)
        tables = self._tables(given)
        roles = {
            name: self._role(name, role, tables)
            for name in ROLES
            if isinstance(role := getattr(given, name), _GivenRole)
        }
        platform = Platform(self.file, self._zone(given), tables, roles)
        self.file.check(self.faults)
        for name, role in roles.items():
            self._references(platform, name, role)
        self.file.check(self.faults)
        return platform

    def _fault(self, place: Place, text: str) -> None:
        self.faults.append((place, text))

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
        role = Role(name, given.table, lookups, where, columns)
        if role.is_summed_up and "id" in columns:
            self._fault((name, "columns", "id"), "is the day by itself where columns sum up rows")
        return role

    def _columns_of(
        self, place: Place, table: str, tables: Mapping[str, Mapping[str, str]]
    ) -> Mapping[str, str]:
        if table not in tables:
            self._fault(place, f"is {table}, which is not under tables: {', '.join(tables)}")
        return tables.get(table, {})

    def _expression(
        self, place: Place, text: str, scope: Mapping[str, Mapping[str, str]]
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
        return Column(read_expression, words)

    def _words(
        self,
        place: Place,
        kind: str,
        known: tuple[str, ...],
        given: Mapping[str, list[str]],
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
