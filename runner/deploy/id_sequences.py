"""The sequences of the AI tables' ids, which must be past every stored id.

After a restore, or after an owner inserted rows with their ids, a sequence may lag: it then gives
out ids that are taken, and every insert with such an id fails.
"""

from __future__ import annotations

from dataclasses import dataclass

from psycopg import sql

from runner.servers.changes import Changes
from runner.servers.database import Connection, scalar
from runner.servers.deploy_lock import LockedError
from runner.servers.planted import plain


@dataclass(frozen=True)
class Lag:
    """A table with a stored id that its sequence will still give out."""

    table: str
    sequence: str
    last_drawn: int
    last_stored: int

    def __str__(self) -> str:
        return (
            f"{self.table} holds id {self.last_stored}, which its sequence will give out again: "
            f"it is at {self.last_drawn}"
        )


def tables(primary: Connection) -> list[str]:
    """The AI tables whose ids come from a sequence."""
    rows = primary.execute(
        """
        select tables.relname::text
        from pg_class as tables
        inner join pg_attribute as ids on tables.oid = ids.attrelid and ids.attname = 'id'
        where
            tables.relnamespace = 'public'::regnamespace
            and tables.relkind = 'r'
            and tables.relowner = (select oid from pg_roles where rolname = 'migrator')
            and ids.attidentity <> ''
        order by tables.oid
        """
    ).fetchall()
    return [name for (name,) in rows]


def find_lags(primary: Connection) -> list[Lag]:
    """The AI tables whose sequence lags; nothing is written.

    A table that is being vacuumed or altered is skipped, and left to the next check.
    """
    lags = []
    for table in tables(primary):
        name = sql.Identifier("public", table).as_string()
        try:
            with plain(primary, f"public.{table}", is_patient=False):
                stored = scalar(primary, f"select coalesce(max(id), 0) from {name}")  # noqa: S608 - ours
        except LockedError:
            continue
        sequence = scalar(primary, "select pg_get_serial_sequence(%s, 'id')", (name,))
        # Read last: rows stored meanwhile have drawn their ids before.
        drawn = scalar(
            primary, "select coalesce(pg_sequence_last_value(%s::regclass), 0)", (sequence,)
        )
        if stored > drawn:
            lags.append(Lag(table, sequence, drawn, stored))
    return lags


def mend(primary: Connection, changes: Changes) -> None:
    """Set lagging sequences past the stored ids."""
    for lag in find_lags(primary):
        changes.run(
            "primary",
            f"sequence of {lag.table} set past id {lag.last_stored}",
            primary,
            sql.SQL("select setval({}, {})").format(
                sql.Literal(lag.sequence), sql.Literal(lag.last_stored)
            ),
        )
