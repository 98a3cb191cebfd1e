"""How the replica's server reaches the primary: a login of its own, and the connection string.

The login is named after the replica's slot, and is a member of ``replicator``, which holds the
grants. No other replica uses it, so a new password locks no replica out. Its comment names its
replica.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress

import psycopg
from psycopg import pq, sql
from psycopg.conninfo import make_conninfo

from runner.errors import SignalMartsError
from runner.replication.catalog import read_subscription, slot_name
from runner.servers import role_logins
from runner.servers.database import Connection, Database, scalar
from runner.servers.relations import MADE_BY, Problem
from runner.servers.sides import Sides

REPLICATOR = "replicator"

SENDING = {
    "role": "none",
    "statement_timeout": "0",
    "lock_timeout": "0",
    "transaction_timeout": "0",
    "idle_in_transaction_session_timeout": "0",
    "idle_session_timeout": "0",
}
"""What the primary's database may set otherwise for the sessions that send rows, and would end them
with: our login has its own."""

# libpq's parameters for the client itself, not for the way to a server. All other parameters go to
# the replica, including TLS parameters of future versions of libpq.
_OURS = {
    "user", "password", "passfile", "service", "servicefile", "options", "client_encoding",
    "application_name", "fallback_application_name", "connect_timeout", "replication",
}  # fmt: skip
_PLACE = {"host", "hostaddr", "port", "dbname"}


class LoginError(SignalMartsError):
    """The replica's server cannot be given a way to the primary."""


# --- whose login and slot these are -------------------------------------------------------------


def other_replicas(sides: Sides) -> list[str]:
    """Slots of other replicas of this platform, which read the same publication."""
    own = None if _another_owner(sides) else slot_name(sides.on_replica)
    return [
        name
        for (name,) in sides.on_primary.execute(
            "select slot_name::text from pg_replication_slots"
            " where database = current_database() and plugin = 'pgoutput'"
            " and starts_with(slot_name, 'signal_marts_') and slot_name is distinct from %s"
            " order by slot_name",
            (own,),
        )
    ]


def check(sides: Sides) -> None:
    """Raise LoginError if the login or the slot would be another replica's, or cannot be made."""
    if problem := problem_with_names(sides):
        raise LoginError("; ".join(problem))
    if read_subscription(sides.on_replica) is not None:
        return
    refused = problem_with_subscribing(sides.on_replica)
    if refused is None and sides.replication_url is None:
        refused = problem_with_rights(sides)
    if refused is not None:
        raise LoginError(str(refused))


def problem_with_names(sides: Sides) -> tuple[str, str] | None:
    """The problem that keeps this replica from its own login and slot, with the mend, or None."""
    name = slot_name(sides.on_replica)
    if sides.replication_url is None and has_foreign_replicator(sides.on_primary):
        return (
            f"the primary has a role {REPLICATOR} that Signal Marts did not make, and our login "
            "would be a member of it",
            "make a login with REPLICATION that may read the published tables, and set "
            "REPLICATION_URL",
        )
    database = scalar(
        sides.on_primary,
        "select database::text from pg_replication_slots"
        " where slot_name = %s and database is distinct from current_database()",
        (name,),
    )
    if database is not None:
        return (
            f"slot {name} on the primary's server belongs to a replica of its database {database}",
            "give this replica's database another name",
        )
    if (owner := _another_owner(sides)) is not None:
        return (
            f"slot {name} on the primary belongs to another replica, whose database has the same "
            f"name ({owner})",
            "give this replica's database another name; or, where that replica is gone for good: "
            f"select pg_drop_replication_slot({sql.Literal(name).as_string()}); on the primary",
        )
    return None


def problem_with_subscribing(replica: Connection) -> Problem | None:
    """The problem that keeps the login on the replica from making a subscription, or None."""
    login, is_superuser, may_be_let = replica.execute(
        "select rolname::text, rolsuper, to_regrole('pg_create_subscription') is not null"
        " from pg_roles where rolname = current_user"
    ).fetchall()[0]
    if is_superuser:
        return None
    name = sql.Identifier(login).as_string()
    if not may_be_let:
        return Problem(
            f"{login} may not create a subscription: before PostgreSQL 16 only a superuser may",
            f"take a replica of PostgreSQL 16 or newer, or: alter role {name} superuser;",
        )
    if scalar(replica, "select pg_has_role('pg_create_subscription', 'usage')"):
        return None
    return Problem(
        f"{login} may not create a subscription", f"grant pg_create_subscription to {name};"
    )


def problem_with_rights(sides: Sides) -> Problem | None:
    """The problem that keeps the login on the primary from making the replica's login, or None."""
    row = sides.on_primary.execute(
        "select r.rolname::text, r.rolsuper, r.rolcreaterole and r.rolreplication, array("
        " select made.rolname::text from pg_roles as made where made.rolname = any(%s)"
        " and not pg_has_role(made.oid, 'member with admin option') order by 1)"
        " from pg_roles as r where r.rolname = current_user",
        ([REPLICATOR, slot_name(sides.on_replica)],),
    ).fetchone()
    assert row is not None  # noqa: S101 - we are logged in
    login, is_superuser, may_make, closed = row
    if is_superuser:
        return None
    version = sides.on_primary.info.server_version
    return login_problem(login, version=version, may_make=may_make, closed=closed)


def login_problem(
    login: str, *, version: int, may_make: bool, closed: Sequence[str]
) -> Problem | None:
    """The same for a login that is no superuser; ``version`` is the server's, as 160004.

    ``may_make``: it has CREATEROLE and REPLICATION; ``closed`` has the existing roles that it may
    not grant. Before version 16 only a superuser may make or alter a login with REPLICATION.
    """
    if version >= 160000 and may_make and not closed:
        return None
    mend = (
        "make a login with REPLICATION that may read the published tables, and set REPLICATION_URL"
    )
    if version >= 160000:
        name = sql.Identifier(login).as_string()
        mend += f", or: alter role {name} createrole replication;"
        mend += "".join(
            f" grant {sql.Identifier(role).as_string()} to {name} with admin option;"
            for role in closed
        )
    return Problem(f"{login} may not make a login with REPLICATION for the replica", mend)


def has_foreign_replicator(primary: Connection) -> bool:
    """Whether the primary has a role ``replicator`` that Signal Marts did not make.

    The name is a common one for the login of a physical standby.
    """
    return bool(
        scalar(
            primary,
            "select shobj_description(oid, 'pg_authid') is distinct from %s"
            " from pg_roles where rolname = %s",
            (MADE_BY, REPLICATOR),
        )
    )


def _another_owner(sides: Sides) -> str | None:
    """The replica (as in ``_identity``) that owns the slot of this name; None if it is this one."""
    owner = _owner(sides.on_primary, slot_name(sides.on_replica))
    is_used = scalar(
        sides.on_primary,
        "select exists (select from pg_replication_slots where slot_name = %s)",
        (slot_name(sides.on_replica),),
    )
    return owner if is_used and owner not in (None, _identity(sides)) else None


def _owner(primary: Connection, login: str) -> str | None:
    comment = scalar(
        primary,
        "select shobj_description(oid, 'pg_authid') from pg_roles where rolname = %s",
        (login,),
    )
    made_by, _, owner = str(comment).partition(" for ")
    return owner if made_by == MADE_BY else None


def _identity(sides: Sides) -> str:
    """A replica's database, told from one of the same name on another server."""
    query = (
        "select format('server %s, database %s', system_identifier, current_database())"
        " from pg_control_system()"
    )
    return str(scalar(sides.on_replica, query))


# --- the way ------------------------------------------------------------------------------------


def wanted_route(sides: Sides) -> str:
    """The connection string as it should be, without its secrets: for comparing and showing."""
    return _without_secrets(_parameters(sides))


def _parameters(sides: Sides) -> dict[str, str]:
    """libpq's parameters for the replica's server; in the default case the password is missing."""
    if sides.replication_url is not None:
        given = Database("primary", sides.replication_url).parameters()
        return _in_environment(without=_PLACE) | given
    given = sides.primary.parameters()
    reached = _in_environment() | {k: v for k, v in given.items() if k not in _OURS}
    reached.setdefault("dbname", sides.on_primary.info.dbname)
    return reached | {"user": slot_name(sides.on_replica)}


def _in_environment(without: Iterable[str] = ()) -> dict[str, str]:
    """The settings of libpq's variables for the way to a server, except libpq's defaults."""
    return {
        name: option.val.decode()
        for option in pq.Conninfo.get_defaults()
        if (name := option.keyword.decode()) not in {*_OURS, *without}
        and option.dispchar != b"D"
        and option.val
        and option.val != option.compiled
    }


def _without_secrets(parameters: Mapping[str, str]) -> str:
    hidden = {o.keyword.decode() for o in pq.Conninfo.get_defaults() if o.dispchar}
    return make_conninfo("", **{k: parameters[k] for k in sorted(parameters.keys() - hidden)})


# --- the login ----------------------------------------------------------------------------------


def connection_string(sides: Sides) -> str:
    """The replica's connection string: REPLICATION_URL, or its login with a new password."""
    parameters = _parameters(sides)
    if sides.replication_url is None:
        parameters["password"] = _renew(sides)
    return make_conninfo("", **parameters)


def _renew(sides: Sides) -> str:
    """Make the login if it is missing, and return its new password."""
    login = slot_name(sides.on_replica)
    exists = scalar(sides.on_primary, "select to_regrole(%s) is not null", (login,))
    if exists and _owner(sides.on_primary, login) is None:
        raise LoginError(
            f"the primary has a role {login} that Signal Marts did not make; "
            "give this replica's database another name, or set REPLICATION_URL"
        )
    try:
        with sides.on_primary.transaction():
            return role_logins.make_login(
                sides.on_primary,
                login,
                REPLICATOR,
                comment=f"{MADE_BY} for {_identity(sides)}",
                settings=SENDING,
                attributes="replication",
            )
    except psycopg.errors.InsufficientPrivilege as error:
        raise LoginError(
            f"the primary's user may not make the login {login} with REPLICATION, a member of "
            f"{REPLICATOR} ({error.diag.message_primary}); make such a login yourself and set "
            "REPLICATION_URL"
        ) from None


def retire_shared_login(primary: Connection) -> None:
    """Take the login from ``replicator``, which all replicas of a server had shared before.

    Not while a replica has no login of its own: it may still use the shared one.
    """
    is_needed = scalar(
        primary,
        "select exists (select from pg_replication_slots as s left join pg_roles as r"
        " on r.rolname = s.slot_name and r.rolcanlogin"
        " where starts_with(s.slot_name, 'signal_marts_') and r.oid is null)",
    )
    is_login = scalar(
        primary,
        "select rolcanlogin and shobj_description(oid, 'pg_authid') = %s"
        " from pg_roles where rolname = %s",
        (MADE_BY, REPLICATOR),
    )
    if is_login and not is_needed:
        # If the login may not be changed: its password is no longer known.
        with suppress(psycopg.errors.InsufficientPrivilege):
            primary.execute(
                sql.SQL("alter role {} nologin noreplication password null").format(
                    sql.Identifier(REPLICATOR)
                )
            )


def drop_login(sides: Sides) -> None:
    """Drop the replica's own login, whose sessions are gone with the slot."""
    login = slot_name(sides.on_replica)
    if _owner(sides.on_primary, login) == _identity(sides):
        sides.on_primary.execute(sql.SQL("drop role {}").format(sql.Identifier(login)))


# --- the subscription's connection --------------------------------------------------------------

# The string is passed as a parameter and is never in the text of a statement: a server logs texts
# (log_statement, pg_stat_activity, pg_stat_statements), also of failed statements. Errors in here
# are caught, so that the server logs none. A subscription that is made and dropped again connects
# as the replica's server does, and so tests the login; a published table that the replica lacks is
# found only after that.
_CONNECT = """
do $connect$
declare
    given constant text := pg_catalog.current_setting('signal_marts.connection');
begin
    begin
        execute pg_catalog.format(
            'create subscription signal_marts_login_test connection %L publication signal_marts'
            ' with (create_slot = false, enabled = false, slot_name = none, copy_data = false)',
            given
        );
        drop subscription signal_marts_login_test;
    exception
        when undefined_table or wrong_object_type then null;
    end;
    if pg_catalog.current_setting('signal_marts.statement') <> '' then
        execute pg_catalog.format(
            pg_catalog.current_setting('signal_marts.statement'), given
        );
    end if;
exception
    when query_canceled or others then
        perform pg_catalog.set_config('signal_marts.refused', sqlerrm, true);
end
$connect$
"""

# Settings that would log a parameter, or the statement that the block makes. Only superusers, and
# logins with their permission, may change these settings.
_QUIET = """
select pg_catalog.set_config(name, value, true)
from (
    values
        ('log_statement', 'none'),
        ('log_min_duration_statement', '-1'),
        ('log_min_duration_sample', '-1'),
        ('log_transaction_sample_rate', '0'),
        ('log_min_error_statement', 'panic'),
        ('log_min_messages', 'panic'),
        ('log_parameter_max_length', '0'),
        ('pg_stat_statements.track', 'none'),
        ('pgaudit.log', 'none')
) as quiet (name, value)
inner join pg_catalog.pg_settings using (name)
where pg_catalog.has_parameter_privilege(name, 'set')
"""


def use_connection(sides: Sides, given: str, statement: str = "") -> None:
    """Test a connection string from the replica's server, and run ``statement`` with it.

    ``statement`` holds ``%L`` for the string. In the caller's transaction, or in one of its own.
    Raises LoginError if the replica's server cannot connect; nothing was changed then.
    """
    replica = sides.on_replica
    with replica.transaction():
        replica.execute(_QUIET)
        for name, value in (("connection", given), ("statement", statement), ("refused", "")):
            replica.execute("select set_config('signal_marts.' || %s, %s, true)", (name, value))
        replica.execute(_CONNECT)
        if refused := scalar(replica, "select current_setting('signal_marts.refused')"):
            raise LoginError(
                f"the replica's server cannot read from {_without_secrets(_parameters(sides))}: "
                f"{' '.join(str(refused).split())}"
            )
