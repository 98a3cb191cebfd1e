"""Other types for published columns, which PostgreSQL refuses to a plain ALTER TABLE.

The work is done by a function that migration 0023 made, so that a platform's own migrations can
call it as well; here the runner first checks that the replica can hold values of the new types.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from psycopg.types.json import Jsonb

from runner.deploy import migrations
from runner.errors import UsageError
from runner.replication import landed
from runner.servers.contract import accepts, read_contract
from runner.servers.database import Database, scalar
from runner.servers.deploy_lock import WORKER, one_at_a_time
from runner.servers.sides import connected


def change_types(
    primary: Database,
    replica: Database,
    table: str,
    types: Mapping[str, str],
    *,
    lock_timeout: float,
    report: Callable[[str], None],
) -> bool:
    """Change types of a table's columns in one transaction; False if the table must be copied
    again.

    ``table`` is ``schema.table``, ``types`` has a type by column, ``lock_timeout`` is in seconds.
    Raises UsageError where the sources do not list the table or want another type, and
    MigrationError where the primary refuses.
    """
    contract = {listed.qualified: listed for listed in read_contract()}
    if table not in contract:
        raise UsageError(
            f"no table {table} in the sources; those are {', '.join(sorted(contract))}. Any other "
            "may be altered as ever"
        )
    wanted = dict(contract[table].columns)
    with (
        one_at_a_time(primary, "alter") as session,
        connected(primary, replica, application=WORKER) as sides,
    ):
        if table in landed.differing(sides.on_replica, [contract[table]]):
            raise UsageError(f"the replica has not what the sources say of {table}; deploy first")

        def change() -> None:
            for column, data_type in types.items():
                name = scalar(session, "select format_type(to_regtype(%s), null)", (data_type,))
                if name is not None and column in wanted and not accepts(wanted[column], name):
                    raise UsageError(
                        f"the replica holds {table}.{column} as {wanted[column]}, which "
                        f"{data_type} does not fit; change it in the sources and deploy first"
                    )
            with sides.on_primary.transaction():
                sides.on_primary.execute(f"set local lock_timeout = {int(lock_timeout * 1000)}")
                sides.on_primary.execute(
                    "select public.change_column_types(%s::regclass, %s)",
                    (contract[table].identifier.as_string(), Jsonb(dict(types))),
                )

        migrations.patiently(change, f"altering {table}", report)
        report(f"primary: {table} altered")
        return bool(
            scalar(
                sides.on_primary,
                "select exists (select from pg_publication_tables where pubname = 'signal_marts'"
                " and schemaname || '.' || tablename = %s)",
                (table,),
            )
        )
