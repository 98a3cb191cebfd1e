"""Each fault that docs/faults.md says the doctor finds, planted on a deployed pair: it is found,
the mend that was printed is applied as it stands, and the pair is well again."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

import pytest
import sqlparse
from doctor_visits import amiss, look
from fault_list import listed
from landscapes import Landscape, drop_landscape, make_landscape

from runner.demo.embedded import EmbeddedPair
from runner.doctor import Finding
from runner.doctor import servers as doctor_servers

DEPLOY = "run signal-marts deploy"


@dataclass(frozen=True)
class Fault:
    """``plant`` makes it on a side; the finding of ``check`` has these words and this mend.

    ``{p}`` and ``{r}`` are the databases of the primary and of the replica. ``by_hand`` does on the
    side what the mend says where it says no statement; ``after`` takes away what the fault leaves.
    """

    check: str
    side: str
    plant: str
    text: str
    mend: str = DEPLOY
    by_hand: str = ""
    after: str = ""


FAULTS = {
    "column renamed": Fault(
        "platform",
        "primary",
        "alter table trading_stats rename column net_profit to profit",
        "column public.trading_stats.net_profit is missing",
        "say so in platform.yml",
        by_hand="alter table trading_stats rename column profit to net_profit",
    ),
    "no primary key": Fault(
        "platform",
        "primary",
        "alter table trading_stats drop constraint trading_stats_pkey",
        "table public.trading_stats has no primary key",
        "alter table public.trading_stats add primary key (id);",
    ),
    "no replica identity": Fault(
        "platform",
        "primary",
        "alter table trading_orders replica identity nothing",
        "UPDATE and DELETE on public.trading_orders fail once it is published",
        "replica identity default;",
    ),
    "row security": Fault(
        "platform",
        "primary",
        "alter table trading_orders enable row level security",
        "row level security hides rows of public.trading_orders from replicator",
        "create policy signal_marts on",
        after="drop policy signal_marts on trading_orders;"
        "alter table trading_orders disable row level security",
    ),
    "child table": Fault(
        "platform",
        "primary",
        "create table older () inherits (trading_stats)",
        "public.older inherits from public.trading_stats",
        "no inherit",
        after="drop table older",
    ),
    "unlogged table": Fault(
        "platform",
        "primary",
        "alter publication signal_marts drop table trading_stats;"
        "alter table trading_stats set unlogged",
        "public.trading_stats is unlogged",
        "set logged;",
    ),
    "migration edited": Fault(
        "migrations",
        "primary",
        "alter table ai_migration_ledger add column kept text;"
        "update ai_migration_ledger set kept = apply_sha256, apply_sha256 = repeat('0', 64)"
        " where migration_id = '0002_ai_models'",
        "0002_ai_models.sql was edited after it was applied",
        "put the file back",
        by_hand="update ai_migration_ledger set apply_sha256 = coalesce(kept, apply_sha256);"
        "alter table ai_migration_ledger drop column kept",
    ),
    "lock left behind": Fault(
        "yoyo lock",
        "primary",
        "insert into yoyo_lock (locked, ctime, pid) values (1, '2024-05-06 07:08:09', 4711)",
        "yoyo's lock is held by process 4711",
        "delete from public.yoyo_lock where pid = 4711;",
    ),
    "foreign key missing": Fault(
        "foreign keys",
        "primary",
        "alter table ai_trading_signals drop constraint ai_trading_signals_pattern_id_fkey",
        "ai_trading_signals.pattern_id points at no table",
        "add constraint ai_trading_signals_pattern_id_fkey",
    ),
    "foreign key to a table that was replaced": Fault(
        "foreign keys",
        "primary",
        "alter table trade_plans rename to old_plans;"
        "create table trade_plans (like old_plans including all)",
        "ai_trading_signals.trade_plan_id points at public.old_plans",
        "add constraint ai_trading_signals_trade_plan_id_fkey",
    ),
    "sequence behind its ids": Fault(
        "ids",
        "primary",
        "insert into ai_models (id, model_type, model_name, version)"
        " overriding system value values (99, 'x', 'y', '1')",
        "ai_models holds id 99, which its sequence will give out again",
    ),
    "clock of signals taken away": Fault(
        "audit",
        "primary",
        "alter table ai_trading_signals alter column stored_at drop default",
        "the default of ai_trading_signals.stored_at is gone",
        "set default clock_timestamp();",
    ),
    "audit's trigger switched off": Fault(
        "audit",
        "primary",
        "alter table ai_trading_signals disable trigger ai_trading_signals_note_edit",
        "the trigger ai_trading_signals_note_edit is switched off",
        "enable trigger ai_trading_signals_note_edit;",
    ),
    "role with too many rights": Fault(
        "roles",
        "primary",
        "alter role ai_writer createdb bypassrls",
        "ai_writer has more than it needs: createdb, bypassrls",
        "alter role ai_writer nocreatedb nobypassrls;",
    ),
    "reader of landing tables": Fault(
        "roles",
        "replica",
        "grant select (id) on trading_orders to bi_reader",
        "bi_reader can read landing tables",
        "revoke all on",
    ),
    "reader who writes marts": Fault(
        "roles",
        "replica",
        "create schema performance; create table performance.trades (id bigint);"
        "grant select, delete on performance.trades to bi_reader",
        "bi_reader can write to marts: performance.trades",
        "revoke insert, update, delete, truncate on performance.trades",
        after="drop schema performance cascade",
    ),
    "reader without a time limit": Fault(
        "roles",
        "replica",
        "create role fault_reader login in role bi_reader",
        "fault_reader reads the marts without a time limit",
        "set statement_timeout = '60s';",
        after="drop role fault_reader",
    ),
    "reader of passwords": Fault(
        "roles",
        "replica",
        "create role fault_auditor login; grant pg_read_all_data to fault_auditor",
        "fault_auditor can read the passwords",
        "revoke pg_read_all_data",
        after="drop role fault_auditor",
    ),
    "other login with REPLICATION": Fault(
        "replication logins",
        "primary",
        "create role fault_mover login replication",
        "fault_mover has REPLICATION",
        "noreplication;",
        after="drop role fault_mover",
    ),
    "replica's login locked out": Fault(
        "replicator",
        "primary",
        "alter role {slot} nologin; revoke replicator from {slot}",
        "the replica cannot connect as",
        "grant replicator to",
    ),
    "tables that may not be copied": Fault(
        "copies",
        "primary",
        "revoke select on trading_orders from replicator;"
        "revoke usage on schema public from replicator, public",
        "replicator may not use the schema public, nor read 18 columns of public.trading_orders",
        after="grant usage on schema public to public",
    ),
    "time limit for the sender": Fault(
        "defaults",
        "primary",
        "alter role {slot} set statement_timeout = '1s'",
        "statement_timeout = 1s is set for the sessions of replication",
        "set statement_timeout = '0';",
        after="alter role {slot} reset statement_timeout",
    ),
    "replica read-only": Fault(
        "defaults",
        "replica",
        "alter database {r} set default_transaction_read_only = on",
        "default_transaction_read_only = on is set for the sessions of replication",
        "set default_transaction_read_only = 'off';",
        after="set default_transaction_read_only = off; set role none;"
        "alter database {r} reset default_transaction_read_only;"
        "alter role current_user in database {r} reset default_transaction_read_only",
    ),
    "slots without a limit": Fault(
        "max_slot_wal_keep_size",
        "primary",
        "alter system set max_slot_wal_keep_size = -1; select pg_reload_conf()",
        "a slot that nobody reads can fill the primary's disk",
        "alter system set max_slot_wal_keep_size = '10GB'; select pg_reload_conf();",
        after="alter system reset max_slot_wal_keep_size; select pg_reload_conf()",
    ),
    "no worker that copies": Fault(
        "max_sync_workers_per_subscription",
        "replica",
        "alter system set max_sync_workers_per_subscription = 0; select pg_reload_conf()",
        "it is 0, so no table is ever copied",
        "alter system set max_sync_workers_per_subscription = 2; select pg_reload_conf();",
        after="alter system reset max_sync_workers_per_subscription; select pg_reload_conf()",
    ),
    "table not published": Fault(
        "replication",
        "primary",
        "alter publication signal_marts drop table trading_stats",
        "the publication is not as the sources say",
    ),
    "deletes not published": Fault(
        "replication",
        "primary",
        "alter publication signal_marts set (publish = 'insert, update')",
        "the publication is not as the sources say",
    ),
    "subscription disabled": Fault(
        "replication",
        "replica",
        "alter subscription signal_marts disable",
        "the subscription is disabled",
    ),
    "slot gone": Fault(
        "replication",
        "primary",
        # Its reader comes back at once.
        "do $$ begin loop perform pg_terminate_backend(active_pid, 10000)"
        " from pg_replication_slots where slot_name = '{slot}';"
        " begin perform pg_drop_replication_slot('{slot}'); exit;"
        " exception when object_in_use then null; end; end loop; end $$",
        "the slot is gone from the primary",
    ),
    "landing table gone": Fault(
        "replication",
        "replica",
        "drop table trading_stats cascade",
        "not replicated as the sources say: public.trading_stats",
    ),
    "landing column gone": Fault(
        "replication",
        "replica",
        "alter table trading_stats drop column net_profit cascade",
        "the landing table public.trading_stats is not as the sources say",
    ),
    "change capture's column gone": Fault(
        "landing tables",
        "replica",
        "alter table trading_stats drop column _xid cascade",
        "the column _xid, by which builds find changes, is gone from public.trading_stats",
    ),
    "change capture's trigger gone": Fault(
        "replication",
        "replica",
        "drop trigger signal_marts_stamp_change on trading_orders",
        "changes of public.trading_orders go unnoticed",
    ),
    "landing table refuses rows": Fault(
        "replication",
        "replica",
        "alter table trading_stats add constraint never check (total_trades < 0) not valid",
        "constraint never of the landing table trading_stats can refuse rows",
        "alter table trading_stats drop constraint never;",
    ),
    "token of the future": Fault(
        "replication",
        "primary",
        "update ai_replication_fence set written_at = now() + interval '3 days'",
        "public.ai_replication_fence on the primary holds a time that is more than a day ahead",
        "delete from public.ai_replication_fence;",
    ),
}
"""By the names in docs/faults.md."""


def test_the_page_lists_these() -> None:
    expected = {name: fault.check for name, fault in FAULTS.items()}
    assert listed("doctor") == expected | {"transaction left open": "transactions"}


@pytest.fixture(scope="module")
def shared(pair: EmbeddedPair) -> Iterator[list[Landscape]]:
    """The pair that faults are planted on, one after the other; none before the first."""
    used: list[Landscape] = []
    yield used
    for each in used:
        drop_landscape(each)


@pytest.fixture
def deployed(pair: EmbeddedPair, shared: list[Landscape]) -> Landscape:
    """A deployed pair without a fault: as the last test left it, or another one."""
    if not shared or amiss(look(shared[-1])):
        shared.append(make_landscape(pair, pair.urls().replica))
        shared[-1].deploy()
    assert amiss(look(shared[-1])) == []
    return shared[-1]


def run(landscape: Landscape, side: str, script: str) -> None:
    """Statements one by one, as psql runs them."""
    with getattr(landscape, side).connect(autocommit=True) as connection:
        for statement in sqlparse.split(script):
            connection.execute(statement)


STATEMENT = re.compile(r"\b(?:alter|create|delete|drop|grant|revoke|select) .*;")


def apply(landscape: Landscape, finding: Finding) -> None:
    """What the mend says: the statement that it prints, and a deploy where it asks for one."""
    printed = STATEMENT.search(finding.mend.partition("  -- ")[0])
    if printed:
        run(landscape, finding.side, printed.group())
    if DEPLOY in finding.mend:
        landscape.deploy()


@pytest.mark.parametrize("name", FAULTS)
def test_what_is_planted_is_found_and_mended(deployed: Landscape, name: str) -> None:
    fault = FAULTS[name]
    names = {
        "p": deployed.primary.parameters()["dbname"],
        "r": deployed.replica.parameters()["dbname"],
    }
    names["slot"] = f"signal_marts_{names['r']}"
    run(deployed, fault.side, fault.plant.format(**names))
    findings = amiss(look(deployed))
    (found,) = [each for each in findings if each.check == fault.check and fault.text in each.text]
    assert found.side == fault.side
    assert fault.mend in found.mend
    run(deployed, fault.side, fault.by_hand)
    for each in findings:
        apply(deployed, each)
    assert amiss(look(deployed)) == []
    run(deployed, fault.side, fault.after.format(**names))


def test_a_transaction_left_open(deployed: Landscape, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of a minute, here of no time."""
    monkeypatch.setattr(doctor_servers, "LONG_IDLE_SECONDS", 0)
    with deployed.primary.connect(application="a notebook") as connection:
        connection.execute("select 1")
        (found,) = amiss(look(deployed))
        assert found.check == "transactions"
        apply(deployed, found)
        assert amiss(look(deployed)) == []
        connection.close()
