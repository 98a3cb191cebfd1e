"""The views that give dbt the platform: one a role, under the project's names of columns.

Beside each is a view of its changes, ``<role>_changes``: the transaction of each change on the
replica, and the key of the row that it may alter, with changes of looked-up rows. Views contain no
value of a row, and nothing in them fails on one (``runner.platform.expressions``).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from psycopg import sql

from runner.platform.expressions import THIS, Expression, quoted
from runner.platform.mapping import Column, Platform, Role
from runner.platform.roles import COUNT, DAILY, DAY, KEY, NAIVE, NUMBER, ROLES, TIME, Field

SCHEMA = "mapped"
"""The views' schema on the replica."""

# No lookup can have this name.
_LOG = '"change log"'
_TYPES = {
    NUMBER: "numeric",
    COUNT: "bigint",
    TIME: "timestamp with time zone",
    DAY: "date",
}


def rows(platform: Platform, name: str, relation: Callable[[str], str] | None = None) -> str:
    """The query of a role's rows; of none, with its columns, if the platform lacks the role.

    ``relation`` says what stands for a raw table, by default the table itself.
    """
    role = platform.roles.get(name)
    if role is None:
        nulls = {column: _null(_type(platform, name, column)) for column in ROLES[name]}
        return _select(nulls | _number(platform, name, nulls["id"]), "where false")
    values = {column: _value(platform, role, column) for column in ROLES[name]}
    tail = source(platform, role, relation or _identifier)
    if role.where is not None:
        tail += f"\nwhere {role.where.sql}"
    if role.is_summed_up:
        kept = [c for c, each in role.columns.items() if not each.expression.is_aggregate]
        tail += f"\ngroup by {', '.join(_value(platform, role, column) for column in kept)}"
    return _select(values | _number(platform, name, values["id"]), tail)


def _number(platform: Platform, name: str, key: str) -> dict[str, str]:
    """A number for each pattern, by which the ensemble numbers forecasts and experts.

    Of a text, 60 bits of a hash: for a million texts, that two have the same is less likely than
    one in a million, and dbt's tests would find them.
    """
    if name != "micro_patterns":
        return {}
    hashed = f"cast(cast('x' || left(md5(cast({key} as text)), 15) as bit(60)) as bigint)"
    if platform.key_type(name) == "text":
        return {"number": hashed}
    # Experts have twice the number.
    return {"number": f"case when {key} between -4e18 and 4e18 then {key} else {hashed} end"}


def source(platform: Platform, role: Role, relation: Callable[[str], str]) -> str:
    """The FROM clause of a role; ``relation`` says what stands for a raw table."""
    used: dict[str, set[str]] = {alias: set() for alias in role.tables}
    expressions = [column.expression for column in role.columns.values()]
    for expression in [*expressions, *([role.where] if role.where else [])]:
        for alias, column in expression.columns:
            used[alias].add(column)
    for alias, lookup in role.lookups.items():
        used[alias].add(lookup.key)
        used[THIS].add(lookup.column)
    written = {
        alias: f"({_select(_read(platform, table, used[alias]), tail)}) as {quoted(alias)}"
        for alias, table in role.tables.items()
        for tail in [f"from {relation(table)}"]
    }
    joins = [
        f"left join {written[alias]} on {quoted(alias)}.{quoted(each.key)}"
        f" = {quoted(THIS)}.{quoted(each.column)}"
        for alias, each in role.lookups.items()
    ]
    return "\n".join([f"from {written[THIS]}", *joins])


def changes(platform: Platform, name: str) -> str:
    """The query of a role's changes: ``xid`` and ``id``, of rows that there are or were."""
    role = platform.roles.get(name)
    if role is None or "id" not in role.columns:
        # Rows of another grain are compared as a whole.
        nulls = {"xid": _null("xid8"), "id": _null(platform.key_type(name))}
        return _select(nulls, "where false")
    this, key = quoted(THIS), f"{quoted(THIS)}.{quoted(str(role.columns['id'].expression.column))}"
    queries = [
        _select({"xid": f"{this}._xid", "id": key}, f"from {_identifier(role.table)} as {this}"),
        _select({"xid": f"{_LOG}.xid", "id": key}, _logged(role.table, THIS)),
    ]
    for alias, lookup in role.lookups.items():
        other, refers = (
            quoted(alias),
            f"{this}.{quoted(lookup.column)} = {quoted(alias)}.{quoted(lookup.key)}",
        )
        joined = f"inner join {_identifier(role.table)} as {this} on {refers}"
        there = f"from {_identifier(lookup.table)} as {other} {joined}"
        gone = _logged(lookup.table, alias, joined)
        queries += [
            _select({"xid": f"{other}._xid", "id": key}, there),
            _select({"xid": f"{_LOG}.xid", "id": key}, gone),
        ]
    return "\nunion all\n".join(queries)


def _logged(table: str, alias: str, joined: str = "") -> str:
    """The FROM clause of keys that a raw table no longer holds."""
    record = (
        f"jsonb_populate_record(cast(null as {_identifier(table)}), {_LOG}.key) as {quoted(alias)}"
    )
    return (
        f"from signal_marts.change_log as {_LOG} cross join lateral {record} {joined}"
        f" where {_LOG}.table_name = {_literal(table)}"
    )


def _null(data_type: str) -> str:
    return f"cast(null as {data_type})"


def _value(platform: Platform, role: Role, name: str) -> str:
    """A column of a role's view."""
    field, column = ROLES[role.name][name], role.columns.get(name)
    if column is None:
        if role.name == DAILY and name == "id":
            # The day, in each account and currency.
            parts = [c for c in ("date", "account", "currency") if c in role.columns]
            return f"concat_ws('/', {', '.join(_value(platform, role, part) for part in parts)})"
        return _null(_type(platform, role.name, name))
    if field.kind == DAY and "date" not in types_in(platform, role, column.expression):
        return f"cast({column.expression.sql} at time zone 'UTC' as date)"
    return _of_kind(field, column)


def types_in(platform: Platform, role: Role, expression: Expression) -> set[str]:
    """The types of the columns in an expression."""
    return {platform.tables[role.tables[alias]][name] for alias, name in expression.columns}


def _of_kind(field: Field, column: Column) -> str:
    value = column.expression.sql
    if field.kind in (KEY, TIME):
        return value
    cast = f"cast({value} as {_TYPES.get(field.kind, 'text')})"
    whens = " ".join(
        f"when {_literal(spelling.strip().lower())} then {_literal(word)}"
        for word, spellings in column.words.items()
        for spelling in spellings
    )
    return f"case lower(btrim({cast}, E' \\t\\r\\n')) {whens} else {cast} end" if whens else cast


def _type(platform: Platform, role: str, column: str) -> str:
    field = ROLES[role][column]
    if field.kind == KEY:
        return platform.key_type(field.refers_to or role)
    return _TYPES.get(field.kind, "text")


def _read(platform: Platform, table: str, used: set[str]) -> Mapping[str, str]:
    """Columns of a raw table; times without zone as moments, in the file's zone."""
    values = {}
    for column, data_type in platform.tables[table].items():
        if column not in used:
            continue
        name = quoted(column)
        values[column] = name
        if data_type in (NAIVE, "date"):
            # Beyond these years, a zone's offset or a date as a moment could leave the range.
            within = (
                f"{name} at time zone {_literal(platform.timezone)}" if data_type == NAIVE else name
            )
            values[column] = (
                f"case when {name} < '0001-01-02' then '-infinity'"
                f" when {name} > '9999-12-30' then 'infinity' else {within} end"
            )
    return values


def _select(values: Mapping[str, str], tail: str) -> str:
    columns = ",\n    ".join(
        value if value == quoted(name) else f"{value} as {quoted(name)}"
        for name, value in values.items()
    )
    return f"select\n    {columns}\n{tail}"


def _identifier(table: str) -> str:
    return sql.Identifier(*table.split(".", 1)).as_string()


def _literal(text: str) -> str:
    return sql.Literal(text).as_string().strip()
