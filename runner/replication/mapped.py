"""The views on the replica that give dbt the platform as ``platform.yml`` describes it.

A view's comment has a digest of its SQL, by which one that differs from the file is found.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping

import psycopg
from psycopg import sql

from runner import yaml_files
from runner.errors import SignalMartsError
from runner.platform import mapping, views
from runner.platform.mapping import Platform, Role
from runner.platform.roles import FITTING, KEY, ROLES
from runner.servers.changes import Changes
from runner.servers.database import Connection, scalar
from runner.servers.relations import MADE_BY, Relation

_OWN_TYPES = {"character varying": "text", "unknown": "text"}


class StaleViewsError(SignalMartsError):
    """The replica's views are not as the mapping file says."""


class ForeignSchemaError(SignalMartsError):
    """The schema of the views is somebody else's, who could put other views in their place."""


def check_types(connection: Connection, platform: Platform) -> None:
    """Raise PlatformFileError for expressions whose types do not fit; any server can tell.

    No table is read: the server computes each expression on one row of NULLs.
    """
    platform.file.check(
        fault for role in platform.roles.values() for fault in _misfits(connection, platform, role)
    )


def _misfits(
    connection: Connection, platform: Platform, role: Role
) -> Iterator[tuple[yaml_files.Place, str]]:
    def nulls(table: str) -> str:
        columns = (
            f"cast(null as {data_type}) as {sql.Identifier(name).as_string()}"
            for name, data_type in platform.tables[table].items()
        )
        return f"(select {', '.join(columns)}) as nulls"

    source = views.source(platform, role, nulls)
    if role.where is not None:
        found = _type_of(connection, role.where.sql, source)
        if found != "boolean":
            yield (role.name, "where"), f"is {found}; a filter is true or false"
    for name, column in role.columns.items():
        field = ROLES[role.name][name]
        found = _type_of(connection, column.expression.sql, source)
        fitting = FITTING[field.kind]
        if field.kind == KEY:
            fitting = frozenset({platform.key_type(field.refers_to or role.name)})
        if found not in fitting:
            place = (role.name, "columns", name)
            yield place, f"is {found}; it must be {' or '.join(sorted(fitting))}"


def _type_of(connection: Connection, expression: str, source: str) -> str:
    """The type of an expression, or the server's word on why it has none."""
    try:
        with connection.transaction():
            found = str(
                scalar(connection, f"select cast(pg_typeof({expression}) as text) {source}")
            )
    except psycopg.Error as error:
        return f"no SQL that the server can compute ({error.diag.message_primary})"
    return _OWN_TYPES.get(found, found)


def check_keys(platform: Platform, relations: Mapping[str, Relation]) -> None:
    """Raise PlatformFileError where a row could not be found by its key, or would be doubled.

    ``relations`` are the primary's tables by qualified name; a missing one is another's to tell.
    """
    platform.file.check(_wrong_keys(platform, relations))


def _wrong_keys(
    platform: Platform, relations: Mapping[str, Relation]
) -> Iterator[tuple[yaml_files.Place, str]]:
    for role in platform.roles.values():
        key = relations[role.table].key if role.table in relations else ()
        if (column := role.columns.get("id")) is not None:
            name = str(column.expression.column)
            if key and name not in key:
                yield (
                    (role.name, "columns", "id"),
                    f"is {name}, and the primary key of {role.table} is {', '.join(key)}: deleted "
                    "rows are known by that alone",
                )
        for alias, lookup in role.lookups.items():
            theirs = relations[lookup.table].key if lookup.table in relations else (lookup.key,)
            if tuple(theirs) != (lookup.key,):
                yield (
                    (role.name, "lookups", alias),
                    f"is found by {lookup.key}, and the primary key of {lookup.table} is "
                    f"{', '.join(theirs)}: a row could have two",
                )


def sync(replica: Connection, platform: Platform, changes: Changes) -> None:
    """Make the views that are missing or not as the file says; readers compare all rows then."""
    if scalar(replica, "select to_regnamespace(%s)", (views.SCHEMA,)) is None:
        changes.run(
            "replica",
            f"schema {views.SCHEMA} created",
            replica,
            f"create schema {views.SCHEMA}",
            f"grant usage on schema {views.SCHEMA} to transformer",
            in_transaction=True,
        )
    foreign = scalar(
        replica,
        "select m.nspowner::regrole::text from pg_namespace as m, pg_namespace as ours"
        " where m.nspname = %s and ours.nspname = 'signal_marts'"
        " and not pg_has_role(m.nspowner, ours.nspowner, 'usage')",
        (views.SCHEMA,),
    )
    if foreign is not None:
        raise ForeignSchemaError(
            f"on the replica, schema {views.SCHEMA} belongs to {foreign}, who could put views in "
            "place of ours. Nothing was done with it; drop it, or alter its owner once you have "
            "looked at what is in it"
        )
    for name in stale(replica, platform):
        changes.run(
            "replica",
            f"view {views.SCHEMA}.{name} made as {platform.path.name} says",
            replica,
            *_statements(platform, name),
            in_transaction=True,
        )


def check(replica: Connection) -> None:
    """Raise StaleViewsError unless all views are as the mapping file says."""
    platform = mapping.read()
    if found := stale(replica, platform):
        raise StaleViewsError(
            f"{platform.path} says other than the replica's views of {', '.join(found)}; run "
            "signal-marts deploy"
        )


def stale(replica: Connection, platform: Platform) -> list[str]:
    """The roles whose views are missing on the replica, or not as the file says."""
    comments: dict[str, str] = dict(
        replica.execute(
            "select c.relname, obj_description(c.oid) from pg_class as c"
            " inner join pg_namespace as n on c.relnamespace = n.oid"
            " where n.nspname = %s and c.relkind = 'v' and pg_has_role(c.relowner, 'usage')",
            (views.SCHEMA,),
        ).fetchall()
    )
    return [
        name
        for name in ROLES
        if f"{name}_changes" not in comments or comments.get(name) != _comment(platform, name)
    ]


def _comment(platform: Platform, name: str) -> str:
    text = f"{views.rows(platform, name)};{views.changes(platform, name)}"
    return f"{MADE_BY}: {hashlib.sha256(text.encode()).hexdigest()}"


def _statements(platform: Platform, name: str) -> Iterator[sql.Composed]:
    role, relation = platform.roles.get(name), f"{views.SCHEMA}.{name}"
    view = sql.Identifier(views.SCHEMA, name)
    of_changes = sql.Identifier(views.SCHEMA, f"{name}_changes")
    yield sql.SQL("drop view if exists {}, {} cascade").format(view, of_changes)
    for identifier, query in (
        (view, views.rows(platform, name)),
        (of_changes, views.changes(platform, name)),
    ):
        # The reader's rights count for what a view reads.
        yield sql.SQL("create view {} with (security_invoker = true) as {}").format(
            identifier, sql.SQL(query)
        )
        yield sql.SQL("grant select on {} to transformer").format(identifier)
    yield sql.SQL("comment on view {} is {}").format(view, _comment(platform, name))
    yield sql.SQL("delete from signal_marts.mapped_tables where relation = {}").format(relation)
    for table in dict.fromkeys(role.tables.values()) if role else ():
        yield sql.SQL("insert into signal_marts.mapped_tables values ({}, {})").format(
            relation, table
        )
    yield sql.SQL("insert into signal_marts.copies (table_name) values ({})").format(relation)
    if role is None:
        return
    for column in {lookup.column for lookup in role.lookups.values()}:
        # By it, a change of a looked-up row finds the rows that it alters.
        name = hashlib.sha256(f"{role.table}.{column}".encode()).hexdigest()[:16]
        # A text of any length fits a hash, and no btree: the row would stop replication.
        method = "hash" if platform.tables[role.table][column] == "text" else "btree"
        yield sql.SQL("create index if not exists {} on {} using {} ({})").format(
            sql.Identifier(f"lookup_{name}"),
            sql.Identifier(*role.table.split(".", 1)),
            sql.SQL(method),
            sql.Identifier(column),
        )
