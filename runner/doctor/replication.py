"""The doctor's checks of both sides together: two databases, and replication between them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from runner.doctor.findings import (
    Finding,
    Given,
    Level,
    Server,
    is_local,
    ok,
    quoted,
    reached_locally,
    row,
    size,
    warning,
    wrong,
)
from runner.replication import catalog, faults, health, preconditions, sync
from runner.replication import login as replication_login
from runner.servers.database import Database, scalar
from runner.servers.sides import Sides


def two_databases(primary: Server, replica: Server, _: Given) -> Iterator[Finding]:
    """dbt must write where it reads, so the replica is a database of its own."""
    identity = "select system_identifier::text, current_database()::text from pg_control_system()"
    one, other = (row(server.connection, identity) for server in (primary, replica))
    if one == other:
        yield wrong(
            f"primary and replica are the same database ({primary.database.address})",
            "create database analytics;  -- on this or another server, and set REPLICA_URL to it",
        )
    else:
        where = "on one server" if one[0] == other[0] else "on two servers"
        yield ok(where)


def side_by_side(primary: Server, replica: Server, given: Given) -> Iterator[Finding]:
    """Whether the replica can hold the primary's rows."""
    found = list(preconditions.between(primary.connection, replica.connection, given.contract))
    for problem in found:
        yield wrong(problem.text, problem.mend)
    if not found:
        yield ok("the replica can hold every value of the primary")


def route(primary: Server, replica: Server, given: Given) -> Iterator[Finding]:
    """How the replica's server reaches the primary."""
    yield route_finding(
        primary_is_local=reached_locally(primary),
        replica_is_local=reached_locally(replica),
        is_given=given.replication_url is not None,
    )


def route_finding(*, primary_is_local: bool, replica_is_local: bool, is_given: bool) -> Finding:
    """The finding for the replica's way to the primary; local is loopback or a socket."""
    if is_given:
        return ok("the replica connects with REPLICATION_URL")
    if primary_is_local and not replica_is_local:
        return wrong(
            "the replica would look for the primary on its own machine, since PRIMARY_URL is local",
            "set REPLICATION_URL to the primary's URL as the replica's server reaches it",
        )
    return ok("the replica connects to the primary as we do")


def replicator(primary: Server, replica: Server, given: Given) -> Iterator[Finding]:
    """The login with which the replica reads the primary's changes."""
    name = catalog.slot_name(replica.connection)
    if problem := replication_login.problem_with_names(_sides(primary, replica, given)):
        yield wrong(*problem, side="primary")
        return
    if given.replication_url is not None:
        return
    held = row(
        primary.connection,
        "select rolcanlogin, rolreplication, pg_has_role(oid, %s, 'usage')"
        " from pg_roles where rolname = %s",
        (replication_login.REPLICATOR, name),
    )
    lacking = [
        statement
        for statement, has in zip(
            (
                f"alter role {quoted(name)} login;",
                f"alter role {quoted(name)} replication;",
                f"grant {replication_login.REPLICATOR} to {quoted(name)};",
            ),
            held,
            strict=False,
        )
        if not has
    ]
    if lacking:
        yield wrong(f"the replica cannot connect as {name}", " ".join(lacking), side="primary")
    refused = replication_login.problem_with_rights(_sides(primary, replica, given))
    if refused is None:
        yield ok(f"{name}: a deploy gives it a password", side="primary")
        return
    is_subscribed = catalog.read_subscription(replica.connection) is not None
    # A subscription that runs needs no new password.
    level: Level = "warning" if is_subscribed and held else "wrong"
    yield Finding(level, refused.text, refused.mend, side="primary")


def copies(primary: Server, replica: Server, given: Given) -> Iterator[Finding]:
    """Whether the replica's login may read the tables: only their next copy needs it."""
    login = preconditions.reader(given.replication_url)
    if login is None or catalog.read_subscription(replica.connection) is None:
        return
    missing = list(sync.missing_grants(primary.connection, given.contract, login))
    if missing:
        yield warning(
            f"{login} may not {', nor '.join(what for what, _ in missing)}: the next copy fails",
            faults.DEPLOY
            if given.replication_url is None
            else " ".join(f"{grant.as_string()};" for _, grant in missing),
            side="primary",
        )
    else:
        yield ok(f"{login} may read all that is copied", side="primary")


def base_backups(primary: Server, replica: Server, given: Given) -> Iterator[Finding]:
    """Whether pg_hba.conf lets the replica's login copy the whole server, as REPLICATION allows.

    Logical replication comes in by the database's name; the word ``replication`` there stands for
    physical replication, and base backups.
    """
    login = _login(replica, given)
    if not scalar(
        primary.connection,
        "select has_function_privilege('pg_catalog.pg_hba_file_rules()', 'execute')"
        " and has_table_privilege('pg_catalog.pg_hba_file_rules', 'select')",
    ):
        yield ok(
            f"not seen: {primary.login} may not read pg_hba_file_rules",
            f"in pg_hba.conf no line of the word replication should let {login} in",
            side="primary",
        )
        return
    rules = primary.connection.execute(
        "select line_number, coalesce(address, type), auth_method from pg_hba_file_rules"
        " where error is null and 'replication' = any(database) and exists ("
        " select from unnest(user_name) as users (name) where name in ('all', %(login)s)"
        " or starts_with(name, '/') or starts_with(name, '+') and exists ("
        " select from pg_roles where rolname = substr(name, 2)"
        " and (rolname = %(group)s"
        " or pg_has_role(to_regrole(quote_ident(%(login)s)), oid, 'member'))))"
        " order by line_number",
        {"login": login, "group": replication_login.REPLICATOR},
    ).fetchall()
    yield base_backups_finding(login, rules)


def base_backups_finding(login: str, rules: Sequence[tuple[int, str, str]]) -> Finding:
    """The finding for the lines of pg_hba.conf that are for physical replication, in order.

    Each is its number, the address (or ``local``) and the method.
    """
    open_to = []
    for line, address, method in rules:
        if method == "reject":
            if address in ("all", "0.0.0.0", "::"):  # noqa: S104 - an address in a file
                break
        elif not is_local("" if address == "local" else address):
            open_to.append(f"line {line} ({address})")
    if not open_to:
        return ok(f"from no other machine may {login} take one", side="primary")
    return warning(
        f"whoever has the password of {login} can copy the whole server, password hashes included: "
        f"pg_hba.conf, {', '.join(open_to)}",
        f"put before it in pg_hba.conf: host replication {quoted(login)} all reject",
        side="primary",
    )


def replication_logins(primary: Server, replica: Server, given: Given) -> Iterator[Finding]:
    """Other logins that may read and move the slot: no record shows the changes that they take."""
    is_foreign = replication_login.has_foreign_replicator(primary.connection)
    rows = primary.connection.execute(
        "select l.rolname::text, array_agg(r.rolname::text order by r.rolname)"
        " from pg_roles as l inner join pg_roles as r on pg_has_role(l.oid, r.oid, %(become)s)"
        " where l.rolcanlogin and not l.rolsuper and l.rolname <> all(%(ours)s)"
        " and r.rolreplication and not r.rolsuper and r.rolname <> all(%(ours)s)"
        " and pg_has_role(r.oid, to_regrole(%(group)s::text)::oid, 'member') is not true"
        " group by l.rolname order by l.rolname",
        {
            "become": "set" if primary.major >= 16 else "member",
            "ours": [primary.login, _login(replica, given)],
            "group": None if is_foreign else replication_login.REPLICATOR,
        },
    ).fetchall()
    for login, holders in rows:
        yield warning(
            f"{login} has REPLICATION, or may become a role that has it ({', '.join(holders)}): it "
            "can read and move any slot of the server, and what it takes from ours never reaches "
            "the replica (signal-marts status --compare finds what is missing)",
            " ".join(f"alter role {quoted(holder)} noreplication;" for holder in holders)
            + "  -- or trust it",
            side="primary",
        )
    if not rows:
        yield ok("no login but superusers' and ours can read our slot", side="primary")


def _login(replica: Server, given: Given) -> str:
    if given.replication_url is None:
        return catalog.slot_name(replica.connection)
    return Database("primary", given.replication_url).parameters().get("user", "")


def _sides(primary: Server, replica: Server, given: Given) -> Sides:
    return Sides(
        primary.database,
        replica.database,
        primary.connection,
        replica.connection,
        given.replication_url,
    )


# Settings that can end or refuse the work of the sessions that apply rows, each with its harmless
# value. The server starts these sessions, so the runner cannot set the values for them.
_APPLYING = {
    "role": "none",
    "lock_timeout": "0",
    "transaction_timeout": "0",
    "default_transaction_read_only": "off",
    "default_transaction_isolation": "read committed",
}


def defaults(primary: Server, replica: Server, given: Given) -> Iterator[Finding]:
    """Settings of databases and logins for the sessions that send and apply rows."""
    sender = _login(replica, given) or catalog.slot_name(replica.connection)
    owner = scalar(
        replica.connection,
        "select pg_get_userbyid(subowner)::text from pg_subscription"
        " where subdbid = (select oid from pg_database where datname = current_database())"
        " and subname = %s",
        (sync.SUBSCRIPTION,),
    )
    is_fine = True
    for server, login, harmless_values in (
        (primary, sender, replication_login.SENDING),
        (replica, owner or replica.login, _APPLYING),
    ):
        for name, value in _set_for(server, login).items():
            harmless = harmless_values.get(name)
            if harmless is None:
                continue
            if value.lower() not in (harmless, f"{harmless}ms", f"{harmless}s"):
                is_fine = False
                yield wrong(
                    f"{name} = {value} is set for the sessions of replication ({login}), which it "
                    "may end or refuse",
                    f"alter role {quoted(login)} in database {server.quoted_database}"
                    f" set {name} = '{harmless}';",
                    side=server.side,
                )
    if is_fine:
        yield ok("no limit is set for the sessions of replication")


def _set_for(server: Server, login: str) -> dict[str, str]:
    """Settings for a login's sessions in the database; the last one counts."""
    rows = server.connection.execute(
        "select setting from pg_db_role_setting"
        " cross join lateral unnest(setconfig) as setting"
        " left join pg_roles on pg_db_role_setting.setrole = pg_roles.oid"
        " where (setrole = 0 or rolname = %s) and setdatabase in ("
        "  0, (select oid from pg_database where datname = current_database()))"
        " order by setrole <> 0, setdatabase <> 0",
        (login,),
    ).fetchall()
    return dict(setting.split("=", 1) for (setting,) in rows)


def replicating(primary: Server, replica: Server, given: Given) -> Iterator[Finding]:
    """Replication as far as it was set up."""
    is_fine = True
    for fault in health.find(_sides(primary, replica, given), given.contract):
        is_fine = False
        if fault is faults.NOT_SET_UP:
            yield ok("not set up yet", fault.mend)
        else:
            told = warning if fault.is_passing else wrong
            yield told(fault.text, fault.mend, side=fault.side)
    slot = catalog.read_slot(primary.connection, catalog.slot_name(replica.connection))
    if is_fine and slot is not None:
        behind = size(slot.lag_bytes or 0)
        yield ok(f"{len(given.contract)} tables, {behind} behind")
