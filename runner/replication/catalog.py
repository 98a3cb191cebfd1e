"""The state of replication in the catalogs of both sides; read only."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from datetime import datetime
from uuid import UUID

from psycopg import sql

from runner.servers.database import Connection, scalar
from runner.servers.planted import plain

TOKENS = "public.ai_replication_fence"

# A token's columns. Python has neither infinity nor all years that may be written by hand.
AS_TOKEN = sql.SQL(
    "token, least(greatest(written_at, '0001-01-02 00:00Z'), '9999-12-30 00:00Z'),"
    " written_at > clock_timestamp() + interval '1 day'"
)


@dataclass(frozen=True)
class Slot:
    """The slot on the primary; sizes are in bytes.

    ``safe_wal_bytes`` is the amount of log that may still be written before the slot is lost; None:
    no limit is set.
    """

    name: str
    is_active: bool
    wal_status: str
    lag_bytes: int | None
    safe_wal_bytes: int | None

    @property
    def is_lost(self) -> bool:
        return self.wal_status == "lost"


@dataclass(frozen=True)
class Subscription:
    """The subscription on the replica.

    ``route`` is its connection string without secrets, from the comment that the runner sets;
    ``errors`` counts all failures of its workers.
    """

    is_enabled: bool
    route: str | None
    slot: str | None
    publications: tuple[str, ...]
    errors: int


@dataclass(frozen=True)
class Token:
    """The fence's token; a later one has a later time.

    ``is_ahead``: the time was written by hand, or the server's clock was set back.
    """

    token: UUID
    written_at: datetime
    is_ahead: bool = field(compare=False)


def slot_name(replica: Connection) -> str:
    """Name of the slot on the primary: one for each replica database."""
    return "signal_marts_" + re.sub(r"[^a-z0-9_]", "_", replica.info.dbname.lower())[:50]


def read_slot(primary: Connection, name: str) -> Slot | None:
    """The slot of that name on the primary, for its database."""
    row = primary.execute(
        "select active, coalesce(wal_status, ''),"
        " pg_wal_lsn_diff(pg_current_wal_lsn(), confirmed_flush_lsn)::bigint, safe_wal_size"
        " from pg_replication_slots where slot_name = %s and database = current_database()",
        (name,),
    ).fetchone()
    return None if row is None else Slot(name, *row)


def read_subscription(replica: Connection) -> Subscription | None:
    """The subscription of this replica's database."""
    row = replica.execute(
        "select s.subenabled, obj_description(s.oid, 'pg_subscription'), s.subslotname::text,"
        " s.subpublications, coalesce(t.apply_error_count + t.sync_error_count, 0)"
        " from pg_subscription as s"
        " left join pg_stat_subscription_stats as t on s.oid = t.subid"
        " where s.subname = 'signal_marts'"
        " and s.subdbid = (select oid from pg_database where datname = current_database())"
    ).fetchone()
    if row is None:
        return None
    is_enabled, route, slot, publications, errors = row
    return Subscription(is_enabled, route, slot, tuple(publications), errors)


def subscribed_tables(replica: Connection) -> set[str]:
    """Qualified names of the tables that the subscription knows, copied or not."""
    return set(_table_states(replica))


def copying_tables(replica: Connection) -> set[str]:
    """Qualified names of the tables whose first copy is not yet done."""
    return {name for name, state in _table_states(replica).items() if state != "r"}


def stuck_copies(primary: Connection, replica: Connection) -> set[str]:
    """Qualified names of the tables whose first copy cannot go on, since its slot is gone.

    A copy's worker drops its slot just before it commits that the copy is done. A replica that
    crashes between the two, or loses that commit, asks for the slot for ever.
    """
    before = _finished_copies(replica)
    if not before:
        return set()
    standing = {
        name
        for (name,) in primary.execute(
            "select slot_name::text from pg_replication_slots"
            " where slot_name = any(%s) and wal_status is distinct from 'lost'",
            (list(before),),
        )
    }
    if standing >= before.keys():
        return set()
    # A worker between the two steps is alive; if it ended meanwhile, the state has changed by now.
    alive = {
        name
        for (name,) in replica.execute(
            "select n.nspname || '.' || c.relname from pg_stat_subscription as w"
            " inner join pg_class as c on w.relid = c.oid"
            " inner join pg_namespace as n on c.relnamespace = n.oid"
        )
    }
    after = _finished_copies(replica)
    return {before[slot] for slot in before.keys() & after.keys() - standing} - alive


def _finished_copies(replica: Connection) -> dict[str, str]:
    """Tables that were copied and await changes made meanwhile, by the name of the copy's slot."""
    rows = replica.execute(
        """
        select
            format('pg_%s_sync_%s_%s', r.srsubid, r.srrelid, system_identifier),
            n.nspname || '.' || c.relname
        from pg_subscription_rel as r
        inner join pg_subscription as s on r.srsubid = s.oid
        inner join pg_class as c on r.srrelid = c.oid
        inner join pg_namespace as n on c.relnamespace = n.oid
        cross join pg_control_system()
        where s.subname = 'signal_marts' and r.srsubstate = 'f'
        """
    )
    return dict(rows.fetchall())


def last_token(replica: Connection) -> Token | None:
    """The fence's token as the replica shows it; None where there is none yet."""
    if scalar(replica, "select to_regclass(%s)", (TOKENS,)) is None:
        return None
    return _token(replica)


def written_token(primary: Connection) -> Token | None:
    """The fence's token as it was last written; None where there is none yet.

    The table is the migrator's, unlike the landing table of its name. Raises PlantedError where
    reading it would run code.
    """
    if scalar(primary, "select to_regclass(%s)", (TOKENS,)) is None:
        return None
    with plain(primary, TOKENS):
        return _token(primary)


def _token(connection: Connection) -> Token | None:
    row = connection.execute(
        sql.SQL("select {} from public.ai_replication_fence where id = 1").format(AS_TOKEN)
    ).fetchone()
    return None if row is None else Token(*row)


def _table_states(replica: Connection) -> dict[str, str]:
    rows = replica.execute(
        """
        select n.nspname || '.' || c.relname, r.srsubstate::text
        from pg_subscription_rel as r
        inner join pg_subscription as s on r.srsubid = s.oid
        inner join pg_class as c on r.srrelid = c.oid
        inner join pg_namespace as n on c.relnamespace = n.oid
        where s.subname = 'signal_marts'
        """
    )
    return dict(rows.fetchall())
