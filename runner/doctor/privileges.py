"""The doctor's checks of privileges: rights that the logins need, and rights that roles must not
have."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator, Sequence

from runner.doctor.findings import (
    Finding,
    Given,
    Server,
    ok,
    quoted,
    quoted_table,
    row,
    warning,
    wrong,
)
from runner.doctor.status import MART_SCHEMAS
from runner.replication import landed, sync
from runner.replication.login import problem_with_subscribing
from runner.servers.contract import Table
from runner.servers.database import scalar

PRIMARY_ROLES = ("migrator", "ai_writer", "ai_functions", "replicator")
REPLICA_ROLES = ("transformer", "bi_reader")


def privileges_on_primary(primary: Server, given: Given) -> Iterator[Finding]:
    """The login's rights for the migrations and the publication."""
    return _or_well(
        primary,
        "may deploy the schema and publish it",
        _roles_for_migrations(primary),
        _places_for_tables(primary),
        _ownership(primary, given.contract),
        _publishing(primary),
        _migrating(primary),
    )


def _or_well(server: Server, well: str, *looks: Iterator[Finding]) -> Iterator[Finding]:
    """What the looks find; that all is well where they find nothing, or nobody need look."""
    if server.is_superuser:
        yield ok(f"{server.login} is a superuser")
        return
    problems = 0
    for problem in itertools.chain(*looks):
        problems += 1
        yield problem
    if not problems:
        yield ok(f"{server.login} {well}")


def _roles_for_migrations(primary: Server) -> Iterator[Finding]:
    missing = primary.missing_roles(PRIMARY_ROLES)
    if missing and not primary.has("createrole"):
        yield _lacking(
            primary, f"may not create the roles {', '.join(missing)}", "alter role {} createrole;"
        )
    if "migrator" in missing:
        return
    # The first migration grants migrator to the login, for which being a member is not enough.
    if scalar(primary.connection, "select to_regclass('public.ai_models')") is None:
        if not primary.administers("migrator"):
            yield _lacking(
                primary,
                "may not grant migrator, which is to own the AI tables",
                "grant migrator to {} with admin option;",
            )
    elif not primary.acts_as("migrator"):
        yield _lacking(
            primary,
            "is not a member of migrator, which owns the AI tables",
            "grant migrator to {};",
        )


def _places_for_tables(primary: Server) -> Iterator[Finding]:
    may_publish, may_create, may_grant = row(
        primary.connection,
        "select has_database_privilege(current_database(), 'create'),"
        " has_schema_privilege('public', 'create'),"
        " has_schema_privilege('public', 'create with grant option')"
        " and has_schema_privilege('public', 'usage with grant option')",
    )
    if not may_publish:
        yield _lacking(
            primary,
            "may not create a publication in this database",
            f"grant create on database {primary.quoted_database} to {{}};",
        )
    is_granted = not primary.missing_roles(["migrator"]) and scalar(
        primary.connection, "select has_schema_privilege('migrator', 'public', 'create')"
    )
    if not may_create or not (may_grant or is_granted):
        yield _lacking(
            primary,
            "may not create the AI tables in schema public and let migrator own them",
            "grant usage, create on schema public to {} with grant option;",
        )


def _ownership(server: Server, tables: Iterable[Table]) -> Iterator[Finding]:
    """Only its owner may publish a table (or change it, on the replica)."""
    rows = server.connection.execute(
        "select c.relowner::regrole::text, r.rolsuper,"
        " array_agg(format('%%I.%%I', n.nspname, c.relname) order by c.relname)"
        " from pg_class as c inner join pg_namespace as n on c.relnamespace = n.oid"
        " inner join pg_roles as r on c.relowner = r.oid"
        " where n.nspname || '.' || c.relname = any(%s) and not pg_has_role(c.relowner, 'usage')"
        " group by 1, 2 order by 1",
        ([table.qualified for table in tables],),
    )
    for owner, is_superuser, names in rows:
        # To make a login a member of a superuser would be more than it needs.
        statements = (
            [f"alter table {name} owner to {{}};" for name in names]
            if is_superuser
            else [f"grant {owner} to {{}};"]
        )
        yield _lacking(
            server,
            f"does not own {', '.join(names)} ({owner} does), and only an owner may "
            + ("publish a table" if server.side == "primary" else "change a landing table"),
            f"deploy as {owner}, or: {' '.join(statements)}",
        )


def _publishing(primary: Server) -> Iterator[Finding]:
    # The login that makes the slot needs it, not only the login that reads the slot later. (One
    # provider gives a role in its place.)
    if not primary.has("replication") and not scalar(
        primary.connection,
        "select exists (select from pg_roles"
        " where rolname = 'rds_replication' and pg_has_role(oid, 'member'))",
    ):
        yield _lacking(primary, "may not make the replication slot", "alter role {} replication;")
    owner = scalar(
        primary.connection,
        "select pubowner::regrole::text from pg_publication"
        " where pubname = %s and not pg_has_role(pubowner, 'usage')",
        (sync.PUBLICATION,),
    )
    if owner is not None:
        yield _lacking(
            primary, f"does not own the publication ({owner} does)", f"grant {owner} to {{}};"
        )


def _migrating(primary: Server) -> Iterator[Finding]:
    """yoyo's own tables, and the foreign keys of ours."""
    closed = [
        name
        for (name,) in primary.connection.execute(
            "select name from unnest(%s::text[]) as names (name)"
            " where to_regclass(name) is not null and not ("
            "has_table_privilege(name, 'select') and has_table_privilege(name, 'insert')"
            " and has_table_privilege(name, 'delete'))",
            (["public._yoyo_migration", "public._yoyo_log", "public.yoyo_lock"],),
        )
    ]
    if closed:
        yield _lacking(
            primary,
            f"may not keep yoyo's books: {', '.join(closed)}",
            f"grant select, insert, update, delete on {', '.join(closed)} to {{}};",
        )
    targets = primary.connection.execute(
        "select name from unnest(%s::text[]) as names (name)"
        " where to_regclass(name) is not null and not has_table_privilege(name, 'references')"
        " and to_regclass('public.ai_migration_ledger') is null",
        (["public.micro_patterns", "public.trade_plans"],),
    )
    for (name,) in targets:
        yield _lacking(
            primary,
            f"may not let a foreign key point at {name}",
            f"grant references on {name} to {{}};",
        )


def privileges_on_replica(replica: Server, given: Given) -> Iterator[Finding]:
    """The login's rights for landing tables, subscription and dbt."""
    return _or_well(
        replica,
        "may subscribe, and build the marts",
        _subscribing(replica),
        _roles_for_dbt(replica),
        _places_for_landing(replica, given.contract),
        _ownership(replica, given.contract),
    )


def _subscribing(replica: Server) -> Iterator[Finding]:
    if (problem := problem_with_subscribing(replica.connection)) is not None:
        yield wrong(problem.text, problem.mend)
    owner = scalar(
        replica.connection,
        "select s.subowner::regrole::text from pg_subscription as s"
        " inner join pg_database as d on s.subdbid = d.oid where d.datname = current_database()"
        " and s.subname = %s and not pg_has_role(s.subowner, 'usage')",
        (sync.SUBSCRIPTION,),
    )
    if owner is not None:
        yield _lacking(
            replica, f"does not own the subscription ({owner} does)", f"grant {owner} to {{}};"
        )


def _roles_for_dbt(replica: Server) -> Iterator[Finding]:
    missing = replica.missing_roles(REPLICA_ROLES)
    if missing and not replica.has("createrole"):
        yield _lacking(
            replica, f"may not create the roles {', '.join(missing)}", "alter role {} createrole;"
        )
    if "transformer" not in missing and not replica.acts_as("transformer"):
        yield _lacking(
            replica, "may not become transformer, as which dbt builds", "grant transformer to {};"
        )


def _places_for_landing(replica: Server, contract: Sequence[Table]) -> Iterator[Finding]:
    may_create, may_grant = row(
        replica.connection,
        "select has_database_privilege(current_database(), 'create'),"
        " has_database_privilege(current_database(), 'create with grant option')",
    )
    is_granted = not replica.missing_roles(["transformer"]) and scalar(
        replica.connection,
        "select has_database_privilege('transformer', current_database(), 'create')",
    )
    if not may_create or not (may_grant or is_granted):
        yield _lacking(
            replica,
            "may not create schemas in this database and let transformer do so",
            f"grant create on database {replica.quoted_database} to {{}} with grant option;",
        )
    owner = scalar(
        replica.connection,
        "select nspowner::regrole::text from pg_namespace"
        " where nspname = 'signal_marts' and not pg_has_role(nspowner, 'usage')",
    )
    if owner is not None:
        yield _lacking(
            replica,
            f"does not own the schema signal_marts ({owner} does)",
            f"grant {owner} to {{}};",
        )
    closed = replica.connection.execute(
        "select quote_ident(nspname) from pg_namespace where nspname = any(%s)"
        " and not (has_schema_privilege(oid, 'create')"
        " and has_schema_privilege(oid, 'usage with grant option'))",
        (sorted({table.schema for table in contract}),),
    )
    for (schema,) in closed:
        yield _lacking(
            replica,
            f"may not create landing tables in schema {schema} and let transformer read them",
            f"grant usage, create on schema {schema} to {{}} with grant option;",
        )


def _lacking(server: Server, what: str, mend: str) -> Finding:
    """A right that the login lacks; ``{}`` in the mend stands for the login."""
    return wrong(f"{server.login} {what}", mend.replace("{}", server.quoted_login))


# --- roles --------------------------------------------------------------------------------------


def roles_on_primary(primary: Server, _: Given) -> Iterator[Finding]:
    """Roles of the primary, where they exist."""
    yield from _modest_roles(primary, PRIMARY_ROLES)


def roles_on_replica(replica: Server, _: Given) -> Iterator[Finding]:
    """Roles of the replica, where they exist, and the reach of readers of the marts."""
    yield from _modest_roles(replica, REPLICA_ROLES)
    yield from _readers_of_passwords(replica)
    if not replica.missing_roles(["bi_reader"]):
        yield from _readers_reach(replica)
        yield from _readers_without_limit(replica)


def _modest_roles(server: Server, names: Sequence[str]) -> Iterator[Finding]:
    rows = server.connection.execute(
        "select rolname::text, array_remove(array[case when rolsuper then 'superuser' end,"
        " case when rolcreaterole then 'createrole' end, case when rolcreatedb then 'createdb' end,"
        " case when rolbypassrls then 'bypassrls' end], null)"
        " from pg_roles where rolname = any(%s) order by rolname",
        (list(names),),
    ).fetchall()
    excessive = [(name, held) for name, held in rows if held]
    for name, held in excessive:
        yield wrong(
            f"{name} has more than it needs: {', '.join(held)}",
            f"alter role {name} {' '.join(f'no{attribute}' for attribute in held)};",
        )
    if excessive:
        return
    if rows:
        told = f"{', '.join(name for name, _ in rows)}: none has more than it needs"
    else:
        told = f"{', '.join(names)}: made by the first deploy"
    yield ok(told)


def _readers_reach(replica: Server) -> Iterator[Finding]:
    readable = [
        name
        for (name,) in replica.connection.execute(
            "select name from unnest(%s::text[]) as names (name)"
            " where has_any_column_privilege('bi_reader', name, 'select')",
            ([quoted_table(name) for name in sorted(landed.landing_tables(replica.connection))],),
        )
    ]
    if readable:
        yield wrong(
            f"bi_reader can read landing tables: {', '.join(readable)}",
            f"revoke all on {', '.join(readable)} from bi_reader, public;",
        )
    writable = [
        name
        for (name,) in replica.connection.execute(
            "select format('%%I.%%I', n.nspname, c.relname)"
            " from pg_class as c inner join pg_namespace as n on c.relnamespace = n.oid"
            " where n.nspname = any(%s) and c.relkind in ('r', 'p', 'v', 'm')"
            " and has_table_privilege('bi_reader', c.oid, 'insert, update, delete, truncate')"
            " order by 1",
            (list(MART_SCHEMAS),),
        )
    ]
    if writable:
        yield wrong(
            f"bi_reader can write to marts: {', '.join(writable)}",
            "revoke insert, update, delete, truncate on "
            f"{', '.join(writable)} from bi_reader, public;",
        )


def _readers_of_passwords(replica: Server) -> Iterator[Finding]:
    """Logins that could act as transformer: they read the password of its login."""
    logins = replica.connection.execute(
        "select r.rolname::text, pg_has_role(r.oid, 'pg_read_all_data', 'usage')"
        " from pg_class as c cross join pg_roles as r"
        " where c.oid = to_regclass('signal_marts.logins')"
        " and has_table_privilege(r.oid, c.oid, 'select') and r.rolcanlogin and not r.rolsuper"
        " and not pg_has_role(r.oid, c.relowner, 'usage') order by 1"
    )
    for login, reads_all in logins:
        held = "pg_read_all_data" if reads_all else "all on signal_marts.logins"
        yield warning(
            f"{login} can read the passwords of the runner's own logins (signal_marts.logins), and "
            "so write to marts",
            f"revoke {held} from {quoted(login)};",
        )


def _readers_without_limit(replica: Server) -> Iterator[Finding]:
    """Logins of BI tools: the settings of bi_reader itself do not reach its members."""
    # Of several settings the login's own in this database counts, then its own, the database's.
    logins = replica.connection.execute(
        "select r.rolname::text from pg_roles as r"
        " where r.rolcanlogin and not r.rolsuper and pg_has_role(r.oid, 'bi_reader', 'usage')"
        " and coalesce((select split_part(entry, '=', 2) from pg_db_role_setting as s"
        " inner join pg_database as d on d.datname = current_database()"
        " cross join unnest(s.setconfig) as entry"
        " where s.setrole in (r.oid, 0) and s.setdatabase in (d.oid, 0)"
        " and entry like 'statement_timeout=%'"
        " order by s.setrole <> 0 desc, s.setdatabase <> 0 desc limit 1), '0') in ('0', '0s')"
        " order by 1"
    )
    for (login,) in logins:
        yield warning(
            f"{login} reads the marts without a time limit: its queries can hold up a build",
            f"alter role {quoted(login)} in database {replica.quoted_database}"
            " set statement_timeout = '60s';",
        )
