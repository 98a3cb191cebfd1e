"""Accidents by hand on either side, with what tells of each."""

from __future__ import annotations

from dataclasses import dataclass

# --- accidents by hand ------------------------------------------------------------------------


@dataclass(frozen=True)
class Accident:
    """Statements on the replica, the primary and the replica, and what status says of them (None:
    nothing is wrong until the next reconnect). ``{login}`` is the replica's login there."""

    told: str | None
    before: str = ""
    primary: str = ""
    replica: str = ""
    changed: str = ""
    """A fragment of what deploy says it did."""


_STOP_SENDING = (
    "select pg_terminate_backend(active_pid, 10000) from pg_replication_slots"
    " where active and slot_name ~ '^signal_marts_' and database = current_database()"
)
_COLUMNS = "id, date, net_profit, total_trades, winning_trades, losing_trades"

ACCIDENTS = {
    "slot dropped": Accident(
        "the slot is gone",
        before="alter subscription signal_marts disable",
        primary=f"{_STOP_SENDING};"
        "select pg_drop_replication_slot(slot_name) from pg_replication_slots"
        " where slot_name ~ '^signal_marts_' and database = current_database()",
        changed="the slot is gone",
    ),
    "subscription disabled": Accident(
        "is disabled", replica="alter subscription signal_marts disable", changed="enabled"
    ),
    "subscription dropped": Accident(
        "no subscription",
        replica="alter subscription signal_marts disable;"
        "alter subscription signal_marts set (slot_name = none);"
        "drop subscription signal_marts",
        changed="created",
    ),
    "subscription at another slot": Accident(
        "the subscription reads slot elsewhere",
        replica="alter subscription signal_marts disable;"
        "alter subscription signal_marts set (slot_name = 'elsewhere')",
        changed="detached from its slot",
    ),
    "subscription to another publication": Accident(
        "the subscription reads",
        primary="create publication elsewhere for table trading_stats",
        replica="alter subscription signal_marts set publication elsewhere with (refresh = false)",
        changed="all tables are copied again",
    ),
    "table taken out of the publication": Accident(
        "the publication is not as the sources say",
        primary="alter publication signal_marts drop table trading_stats",
        changed="publication without public.trading_stats",
    ),
    "table taken out, and the subscription refreshed": Accident(
        "not replicated as the sources say: public.trading_stats",
        primary="alter publication signal_marts drop table trading_stats",
        replica="alter subscription signal_marts refresh publication",
        changed="public.trading_stats emptied",
    ),
    "table that nobody asked for in the publication": Accident(
        "the publication is not as the sources say",
        primary="create table others (id bigint primary key);"
        "alter publication signal_marts add table others;"
        "insert into others values (1)",
        changed="publication set to",
    ),
    "column too many in the publication": Accident(
        "the publication is not as the sources say",
        primary="alter publication signal_marts drop table trading_stats;"
        f"alter publication signal_marts add table trading_stats ({_COLUMNS}, balance)",
        changed="publication set to",
    ),
    "column missing in the publication": Accident(
        "the publication is not as the sources say",
        primary="alter publication signal_marts drop table trading_stats;"
        "alter publication signal_marts add table trading_stats (id, date)",
        changed="publication without public.trading_stats",
    ),
    "row filter": Accident(
        "the publication is not as the sources say",
        primary="alter publication signal_marts drop table trading_stats;"
        f"alter publication signal_marts add table trading_stats ({_COLUMNS}) where (id > 4)",
        changed="publication without public.trading_stats",
    ),
    "inserts only": Accident(
        "the publication is not as the sources say",
        primary="alter publication signal_marts set (publish = 'insert')",
        changed="publication set to all kinds of changes",
    ),
    "no truncates": Accident(
        "the publication is not as the sources say",
        primary="alter publication signal_marts set (publish = 'insert, update, delete');"
        "truncate trading_stats",
        changed="publication set to all kinds of changes",
    ),
    "publication dropped": Accident(
        "the publication is not as the sources say",
        primary="drop publication signal_marts",
        changed="the publication is gone",
    ),
    "publication of all tables": Accident(
        "the publication is not as the sources say",
        primary="drop publication signal_marts; create publication signal_marts for all tables",
        changed="the publication is gone",
    ),
    "publication of a schema": Accident(
        "the publication is not as the sources say",
        primary="drop publication signal_marts;"
        "create publication signal_marts for tables in schema public",
        changed="publication",
    ),
    "trigger dropped": Accident(
        "changes of public.trading_stats go unnoticed",
        replica="drop trigger signal_marts_log_delete on trading_stats",
        changed="change capture of public.trading_stats mended",
    ),
    "trigger disabled": Accident(
        "changes of public.trading_stats go unnoticed",
        replica="alter table trading_stats disable trigger signal_marts_stamp_change",
        changed="change capture of public.trading_stats mended",
    ),
    "landing column dropped": Accident(
        "landing table public.trading_stats is not as the sources say",
        replica="alter table trading_stats drop column net_profit cascade",
        changed="public.trading_stats.net_profit added",
    ),
    "landing column of another type": Accident(
        "landing table public.trading_stats is not as the sources say",
        replica="drop view mapped.trading_stats;"
        "alter table trading_stats alter column net_profit type text",
        changed="public.trading_stats.net_profit added",
    ),
    "landing table dropped": Accident(
        "not replicated as the sources say: public.trading_stats",
        replica="drop table trading_stats cascade",
        changed="landing table public.trading_stats created",
    ),
    "landing key dropped": Accident(
        "landing table public.trading_stats is not as the sources say",
        replica="alter table trading_stats drop constraint trading_stats_pkey",
        changed="landing table public.trading_stats made anew",
    ),
    "row in the way": Accident(
        "nobody reads slot",
        primary="select setval('trading_stats_id_seq', 1000)",
        replica="insert into trading_stats (id) select generate_series(1001, 1004)",
        changed="all tables are copied again",
    ),
    "row in the way, and disabled on errors": Accident(
        "is disabled",
        primary="select setval('trading_stats_id_seq', 1000)",
        replica="alter subscription signal_marts set (disable_on_error = true);"
        "insert into trading_stats (id) select generate_series(1001, 1004)",
        changed="all tables are copied again",
    ),
    "password changed": Accident(
        "cannot connect",
        primary=f"alter role {{login}} password 'another'; {_STOP_SENDING}",
        changed="anew",
    ),
    "login taken away": Accident(
        "cannot connect",
        primary=f"alter role {{login}} nologin; {_STOP_SENDING}",
        changed="anew",
    ),
    "grants taken away": Accident(
        None,
        primary=f"revoke all on trading_stats from replicator; {_STOP_SENDING}",
        changed="replicator may read",
    ),
}
