"""Logins of the replica with only a role's rights, for sessions that use the role's objects.

A view, an index or a trigger runs its owner's code in every session that uses it. If the session
only did SET ROLE, such code can set the role back, to the rights of the login, which may be a
superuser. So builds, and queries on tables that builds made, have a login of their own, which
``deploy`` makes. Its password is in a table that only the deploying login and superusers can read.
"""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from contextlib import suppress

import psycopg
from psycopg import sql
from psycopg.conninfo import make_conninfo

from runner.errors import SignalMartsError
from runner.servers.changes import Changes
from runner.servers.database import Connection, Database, has_transaction_timeout, scalar
from runner.servers.relations import MADE_BY

ROLES = ("transformer", "bi_reader")


class NoLoginError(SignalMartsError):
    """There is no login of the role, and the one we have could be misused."""


def login_name(replica: Connection, role: str) -> str:
    """Name of a role's login for this database: roles are the server's, so its oid is in it."""
    return str(
        scalar(
            replica,
            "select format('signal_marts_%%s_%%s', %s::text, oid) from pg_database"
            " where datname = current_database()",
            (role,),
        )
    )


def prepare(replica: Connection, changes: Changes) -> None:
    """Make missing logins, if the rights allow it, and drop logins of databases that are gone."""
    for role in ROLES:
        name = login_name(replica, role)
        is_there = scalar(
            replica,
            "select exists (select from signal_marts.logins as l inner join pg_roles as r"
            " on l.login = r.rolname where l.role_name = %s and l.login = %s and r.rolcanlogin"
            " and pg_has_role(r.oid, %s, 'usage'))",
            (role, name, role),
        )
        if is_there or not _may_make(replica, role):
            continue
        changes.run("replica", f"login {name} made, a member of {role}", replica)
        if not changes.is_dry_run:
            _make(replica, role, name)
    if not changes.is_dry_run:
        _drop_orphans(replica)


def as_role(replica: Database, role: str) -> Database:
    """The replica through the login of a role; raise NoLoginError where a superuser has none.

    A login that may not read those logins' passwords is used as it is: it has only the rights that
    it was given for this.
    """
    with replica.connect(autocommit=True) as connection:
        return as_role_on(connection, replica, role)


def as_role_on(connection: Connection, replica: Database, role: str) -> Database:
    """The same, from an existing connection."""
    is_superuser = scalar(connection, "select rolsuper from pg_roles where rolname = current_user")
    found = None
    if scalar(
        connection,
        # A reader may not even look into the schema.
        "select has_schema_privilege(n.oid, 'usage') and has_table_privilege(c.oid, 'select')"
        " from pg_class as c inner join pg_namespace as n on c.relnamespace = n.oid"
        " where n.nspname = 'signal_marts' and c.relname = 'logins'",
    ):
        found = connection.execute(
            "select login, password from signal_marts.logins where role_name = %s and login = %s",
            (role, login_name(connection, role)),
        ).fetchone()
    if found is not None:
        user, password = found
        return Database(replica.side, make_conninfo(replica.url, user=user, password=password))
    if is_superuser:
        raise NoLoginError(f"the replica has no login for {role} yet; run signal-marts deploy")
    return replica


def _may_make(replica: Connection, role: str) -> bool:
    return bool(
        scalar(
            replica,
            "select rolsuper or rolcreaterole and (%s < 160000"
            " or pg_has_role(%s::name, 'member with admin option'))"
            " from pg_roles where rolname = current_user",
            (replica.info.server_version, role),
        )
    )


def _make(replica: Connection, role: str, name: str) -> None:
    # Limits of bi_reader itself do not apply to its members.
    limits = {"statement_timeout": "60s"} if role == "bi_reader" else {}
    with replica.transaction():
        password = make_login(replica, name, role, comment=MADE_BY, settings=limits)
        # A parameter, and so in no statement's text.
        replica.execute(
            "insert into signal_marts.logins (role_name, login, password) values (%s, %s, %s)"
            " on conflict (role_name) do update"
            " set login = excluded.login, password = excluded.password",
            (role, name, password),
        )


def make_login(
    connection: Connection,
    name: str,
    group: str,
    *,
    comment: str,
    settings: Mapping[str, str],
    attributes: str = "",
) -> str:
    """Make a login where it is missing, a member of ``group``, and return its new password.

    ``settings`` are those of its sessions, ``attributes`` as in ALTER ROLE. To be called in a
    transaction.
    """
    password = secrets.token_urlsafe(24)
    # The server gets the SCRAM verifier only, so that no statement log can hold the password.
    verifier = connection.pgconn.encrypt_password(
        password.encode(), name.encode(), b"scram-sha-256"
    ).decode()
    login = sql.Identifier(name)
    if scalar(connection, "select to_regrole(quote_ident(%s))", (name,)) is None:
        connection.execute(sql.SQL("create role {}").format(login))
    connection.execute(
        sql.SQL("alter role {} login {} password {}").format(
            login, sql.SQL(attributes), sql.Literal(verifier)
        )
    )
    if not scalar(connection, "select pg_has_role(%s::name, %s::name, 'usage')", (name, group)):
        connection.execute(sql.SQL("grant {} to {}").format(sql.Identifier(group), login))
    for setting, value in settings.items():
        if setting != "transaction_timeout" or has_transaction_timeout(connection):
            connection.execute(
                sql.SQL("alter role {} set {} = {}").format(
                    login, sql.Identifier(setting), sql.Literal(value)
                )
            )
    connection.execute(sql.SQL("comment on role {} is {}").format(login, sql.Literal(comment)))
    return password


def _drop_orphans(replica: Connection) -> None:
    orphans = replica.execute(
        "select rolname::text from pg_roles where rolcanlogin"
        " and rolname ~ '^signal_marts_(transformer|bi_reader)_[0-9]+$'"
        " and shobj_description(oid, 'pg_authid') = %s and not exists ("
        " select from pg_database as d where d.oid::text = substring(rolname from '[0-9]+$'))",
        (MADE_BY,),
    ).fetchall()
    for (name,) in orphans:
        # Another deploy of this server may be dropping the role, or the login may not drop it.
        with suppress(psycopg.Error):
            replica.execute(sql.SQL("drop role if exists {}").format(sql.Identifier(name)))
