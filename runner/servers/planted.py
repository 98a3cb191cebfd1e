"""Tables of the project's roles, used in a session that has more rights than the table's role.

The owner of a table can put code on it: a trigger, a rule, a policy, an index of an expression, a
check, a type of its own, or a view in its place. This code would run with the session's rights, and
SET ROLE does not help, since the code can set the role back. So such a table is locked against such
changes, then checked, and not used if it has such code.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import psycopg
from psycopg import sql

from runner.errors import SignalMartsError
from runner.servers.contract import read_contract
from runner.servers.database import Connection, scalar
from runner.servers.deploy_lock import LockedError

# The objects of a table and the objects that they depend on, if they can run code. PostgreSQL's own
# objects are in no row of pg_depend.
_PLANTED = """
with relation as (
    select
        c.oid,
        c.relkind,
        exists (select from pg_catalog.pg_inherits where inhparent = c.oid) as has_children
    from pg_catalog.pg_class as c
    where
        c.oid = pg_catalog.to_regclass(%(table)s)
        or c.oid in (
            select relid from pg_catalog.pg_partition_tree(pg_catalog.to_regclass(%(table)s))
        )
),

belongings (classid, objid) as (
    select 'pg_catalog.pg_class'::pg_catalog.regclass::pg_catalog.oid, oid from relation
    union
    select 'pg_catalog.pg_class'::pg_catalog.regclass::pg_catalog.oid, i.indexrelid
    from pg_catalog.pg_index as i
    inner join relation as r on i.indrelid = r.oid
    union
    select d.classid, d.objid
    from pg_catalog.pg_depend as d
    inner join relation as r on d.refobjid = r.oid
    where
        d.refclassid = 'pg_catalog.pg_class'::pg_catalog.regclass
        and d.deptype in ('a', 'i')
        and (
            %(is_written)s
            or d.classid not in (
                'pg_catalog.pg_trigger'::pg_catalog.regclass,
                'pg_catalog.pg_attrdef'::pg_catalog.regclass
            )
            or exists (
                select
                from pg_catalog.pg_attrdef as f
                inner join pg_catalog.pg_attribute as a
                    on f.adrelid = a.attrelid and f.adnum = a.attnum
                where f.oid = d.objid and a.attgenerated <> ''
            )
        )
)

select 'it is no plain table' from relation
where relkind not in ('r', 'p') or (relkind = 'r' and has_children)
union all
-- While one of them is locked, another may get a further part, which is not.
select 'it has partitions of partitions'
from pg_catalog.pg_partition_tree(pg_catalog.to_regclass(%(table)s))
where level > 0 and not isleaf
union all
select pg_catalog.pg_describe_object(b.classid, b.objid, 0)
from belongings as b
where b.classid in (
    'pg_catalog.pg_rewrite'::pg_catalog.regclass, 'pg_catalog.pg_policy'::pg_catalog.regclass
)
union all
select pg_catalog.pg_describe_object(d.refclassid, d.refobjid, d.refobjsubid)
from pg_catalog.pg_depend as d
inner join belongings as b on d.classid = b.classid and d.objid = b.objid
where
    d.refclassid in (
        'pg_catalog.pg_proc'::pg_catalog.regclass,
        'pg_catalog.pg_operator'::pg_catalog.regclass,
        'pg_catalog.pg_opclass'::pg_catalog.regclass,
        'pg_catalog.pg_opfamily'::pg_catalog.regclass,
        'pg_catalog.pg_type'::pg_catalog.regclass
    )
"""


class PlantedError(SignalMartsError):
    """A table has code of its owner's on it, or is none."""


@contextmanager
def plain(
    connection: Connection, table: str, *, is_written: bool = False, is_patient: bool = True
) -> Iterator[None]:
    """A transaction in which using ``table`` (``schema.table``) runs no code of its owner.

    Raises PlantedError if it would, before the table is used, and LockedError if another session
    keeps it locked or is vacuuming it. Waiting for a vacuum ends the vacuum, unless not patient.
    """
    with connection.transaction():
        # Blocks only sessions that change the table's definition.
        connection.execute("set local lock_timeout = '5s'")
        try:
            connection.execute(
                # Its partitions too.
                sql.SQL("lock table {} in share update exclusive mode{}").format(
                    sql.Identifier(*table.split(".", 1)), sql.SQL("" if is_patient else " nowait")
                )
            )
        except psycopg.errors.LockNotAvailable:
            raise LockedError(
                f"another session keeps {table} locked, or is vacuuming it (pg_locks tells which); "
                "try again when it has ended"
            ) from None
        found = connection.execute(_PLANTED, {"table": table, "is_written": is_written}).fetchall()
        if found:
            told = "; ".join(sorted({text for (text,) in found}))
            raise PlantedError(
                f"{table} is not as Signal Marts made it, and code of its owner's would run with "
                f"our rights: {told}. It was not touched; drop that"
            )
        yield


@contextmanager
def guarded(connection: Connection, table: str) -> Iterator[None]:
    """A transaction: one as in ``plain`` where the table is the migrator's.

    The platform's owner is trusted with its own tables, which may have functions in indexes.
    """
    is_migrators = scalar(
        connection,
        "select pg_has_role(to_regrole('migrator')::oid, relowner, 'usage')"
        " from pg_class where oid = to_regclass(%s)",
        (sql.Identifier(*table.split(".", 1)).as_string(),),
    )
    with plain(connection, table) if is_migrators else connection.transaction():
        yield


def check_public(connection: Connection) -> None:
    """Raise PlantedError if ``public`` holds objects that can replace PostgreSQL's own.

    yoyo works with ``public`` in its search path. An operator or a cast there, or a function named
    like a built-in one, might be used instead, and run with the runner's rights. Objects of
    superusers and the platform's owners are trusted; in a database made before PostgreSQL 15, all
    logins can make such objects.
    """
    found = connection.execute(
        """
        with strangers (oid) as (
            select r.oid
            from pg_roles as r
            where
                pg_has_role(to_regrole('migrator')::oid, r.oid, 'usage')
                or not (
                    r.rolsuper
                    or r.rolname = current_user
                    or exists (
                        select
                        from pg_class as c
                        inner join pg_namespace as n on c.relnamespace = n.oid
                        where c.relowner = r.oid and n.nspname || '.' || c.relname = any(%s)
                    )
                )
        ),

        planted (classid, objid) as (
            select 'pg_operator'::regclass, o.oid
            from pg_operator as o
            inner join strangers on o.oprowner = strangers.oid
            where o.oprnamespace = 'public'::regnamespace
            union all
            select 'pg_cast'::regclass, c.oid
            from pg_cast as c
            inner join pg_proc as f on c.castfunc = f.oid
            inner join strangers on f.proowner = strangers.oid
            union all
            select 'pg_proc'::regclass, f.oid
            from pg_proc as f
            inner join strangers on f.proowner = strangers.oid
            where
                f.pronamespace = 'public'::regnamespace
                and exists (
                    select from pg_proc as own
                    where
                        own.pronamespace = 'pg_catalog'::regnamespace and own.proname = f.proname
                )
        )
        select pg_describe_object(classid, objid, 0) from planted order by 1
        """,
        ([table.qualified for table in read_contract() if table.source != "ai"],),
    ).fetchall()
    if found:
        raise PlantedError(
            "the schema public of the primary is not as Signal Marts made it, and holds what could "
            "stand in for PostgreSQL's own, and run in migrations with our rights: "
            f"{'; '.join(text for (text,) in found)}. Nothing was done; drop that"
        )
