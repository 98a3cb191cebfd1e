"""The faults that docs/faults.md says ``advise`` finds, planted on real servers all at once: each
is found, the mends that were printed are applied as they stand, and none is left."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass

import psycopg
import pytest
import sqlparse
from advised import asked, found, take
from fault_list import listed
from landscapes import Landscape
from mortal_servers import configure

from runner.advice import advice
from runner.advice.advice import KINDS, Finding
from runner.demo.embedded import EmbeddedPair


@dataclass(frozen=True)
class Fault:
    """``plant`` makes it on the primary; it is found at ``where``, with this in its mend.

    ``by_hand`` does what the mend says where it prints no statement.
    """

    kind: str
    where: str
    plant: str
    mend: str
    by_hand: str = ""


FAULTS = {
    "slot that keeps the log": Fault(
        "slot_keeps_log",
        "left_behind",
        "select pg_create_physical_replication_slot('left_behind', true);"
        + "select pg_logical_emit_message(false, 'fault', ''); select pg_switch_wal();" * 3
        + "checkpoint",
        "select pg_drop_replication_slot('left_behind');",
    ),
    "duplicate index": Fault(
        "duplicate_index",
        "public.fills.fills_twice",
        "create index fills_once on fills (symbol, at);"
        "create index fills_twice on fills (symbol, at)",
        "drop index concurrently if exists public.fills_twice;",
    ),
    "overlapping index": Fault(
        "overlapping_index",
        "public.fills.fills_short",
        "create index fills_short on fills (at); create index fills_long on fills (at, price)",
        "drop index concurrently if exists public.fills_short;",
    ),
    "unused index": Fault(
        "unused_index",
        "public.fills.fills_idle",
        "create index fills_idle on fills (price)",
        "drop index concurrently if exists public.fills_idle;",
    ),
    "invalid index": Fault(
        "invalid_index",
        "public.fills.fills_broken",
        "create unique index concurrently fills_broken on fills (symbol)",
        "drop index concurrently if exists public.fills_broken;",
    ),
    "foreign key without an index": Fault(
        "foreign_key_without_index",
        "public.fills.fills_order_id_fkey",
        "alter table fills add column order_id bigint references trading_orders (id)",
        "create index concurrently",
    ),
    "table read from end to end": Fault(
        "sequential_scans",
        "public.ticks",
        "create table ticks as"
        " select n as id, n % 1000 as lot from generate_series(1, 100000) as n;"
        "analyze ticks",
        "look for an index on the columns of its WHERE",
        by_hand="create index ticks_lot on ticks (lot)",
    ),
    "dead rows": Fault(
        "dead_rows",
        "public.dying",
        "create table dying with (autovacuum_enabled = false)"
        " as select n from generate_series(1, 20000) as n; delete from dying where n <= 15000",
        "vacuum (analyze) public.dying;",
    ),
    "sequence of an integer column": Fault(
        "sequence_limit",
        "public.narrow_id_seq",
        "create table narrow (id serial primary key);select setval('narrow_id_seq', 2147483000)",
        "alter table public.narrow alter column id type bigint;",
    ),
    "identity of an integer column": Fault(
        "sequence_limit",
        "public.narrow_identity_id_seq",
        "create table narrow_identity (id integer generated always as identity);"
        "select setval('narrow_identity_id_seq', 2147483000)",
        "alter table public.narrow_identity alter column id type bigint;",
    ),
    "wide sequence of a narrow column": Fault(
        "sequence_limit",
        "public.numbers",
        "create sequence numbers;"
        "create table numbered (id integer default nextval('numbers'));"
        "select setval('numbers', 2147483000)",
        "alter table public.numbered alter column id type bigint;",
    ),
    "transaction open for an hour": Fault(
        "xmin_held",
        "session {pid}",
        "",
        "select pg_terminate_backend(pid) from pg_stat_activity where pid = {pid} and",
    ),
    "transaction prepared for an hour": Fault(
        "xmin_held",
        "prepared it's lost",
        "begin; create table half (n int);prepare transaction 'it''s lost'",
        "rollback prepared 'it''s lost';",
    ),
}
"""By the names in docs/faults.md."""

BY_FIGURES = {
    "transaction ids run out": "wraparound",
    "storage fills up": "storage_limit",
    "trading slower while builds run": "slower_while_building",
}
"""Those that take days or billions of transactions: test_planted_advice.py plants their figures."""


def test_the_page_lists_these() -> None:
    expected = {name: fault.kind for name, fault in FAULTS.items()} | BY_FIGURES
    assert listed("advise") == {name: KINDS[kind].title for name, kind in expected.items()}


@pytest.fixture(scope="module", autouse=True)
def prepared(pair: EmbeddedPair) -> None:
    """Servers that take prepared transactions, and let slots keep little of the log."""
    configure(pair, pair.primary, "max_prepared_transactions", "4")
    configure(pair, pair.primary, "max_slot_wal_keep_size", "64MB")
    pair.down()
    pair.up()


@pytest.fixture
def faulty(observed: Landscape, pair: EmbeddedPair) -> Iterator[Landscape]:
    """The table that most are planted on."""
    observed.on_primary(
        "create table fills (id bigint primary key, symbol text, at timestamptz, price numeric);"
        "insert into fills select n, 'X', now(), n from generate_series(1, 9) as n"
    )
    yield observed
    configure(pair, pair.primary, "max_slot_wal_keep_size", "4GB")


def test_all_are_found_and_mended(faulty: Landscape, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(advice, "AT_MOST", 100)
    well = sampled(faulty)
    assert {each.kind for each in well.values()} <= {"unused_index"}, "nobody has traded"
    with faulty.primary.connect() as left_open, faulty.primary.connect(autocommit=True) as session:
        for name, fault in FAULTS.items():
            with suppress(psycopg.errors.UniqueViolation):  # That is what leaves an invalid index.
                for statement in sqlparse.split(fault.plant):
                    session.execute(statement)
            if name == "slot that keeps the log":
                wait_for_our_slot(faulty)  # It would wait for transactions that are left open.
        left_open.execute("create table never_there (n bigint)")
        pid = left_open.info.backend_pid
        session.execute("select pg_stat_force_next_flush()")
        told = sampled(faulty)
        places = {fault.where.format(pid=pid): fault for fault in FAULTS.values()}
        assert {where: told[where].kind for where in told.keys() - well.keys()} == {
            where: fault.kind for where, fault in places.items()
        }
        for where, fault in places.items():
            mend = fault.mend.format(pid=pid)
            assert mend in (told[where].statement or told[where].mend)
            for statement in sqlparse.split(told[where].statement or fault.by_hand):
                session.execute(statement)
        session.execute("select pg_stat_force_next_flush()")
        left_open.close()
    # Not even one of the same kind in its place, but an index that is idle now.
    left = sampled(faulty)
    assert {each.kind for each in left.values()} <= {"unused_index"}
    assert not left.keys() & places.keys()


def sampled(landscape: Landscape) -> dict[str, Finding]:
    """Findings by place, after two samples with scans of ``ticks`` between them."""
    landscape.on_replica("truncate signal_marts.samples cascade")
    take(landscape)
    landscape.on_primary(
        "do $$ begin if to_regclass('ticks') is not null then"
        " perform from ticks where lot = 7; perform from ticks where lot = 8; end if; end $$;"
        "select pg_stat_force_next_flush()"
    )
    take(landscape)
    landscape.on_replica(
        # As pg_stat_statements would show it, which the servers of tests lack.
        "insert into signal_marts.observed_statements"
        " select id, 'primary', 'postgres', 77, true, 10 * id, id, id, 0, 0, 0, 0, 0, 0,"
        " timestamptz '2026-01-01' from signal_marts.samples;"
        "insert into signal_marts.statement_texts"
        " values ('primary', 77, 'select from ticks where lot = $1') on conflict do nothing;"
        # An hour, and a month, are too long for a test.
        "update signal_marts.observed_xmin_holders set since_at = since_at - interval '1 hour';"
        "update signal_marts.observed_servers"
        " set statistics_since = statistics_since - interval '31 days';"
        "update signal_marts.index_definitions"
        " set first_seen_at = first_seen_at - interval '31 days'"
    )
    return found(asked(landscape))


def wait_for_our_slot(landscape: Landscape) -> None:
    """Until the replica's slot needs no more of the log than is written now."""
    deadline = time.monotonic() + 60
    while landscape.on_primary(
        "select from pg_replication_slots where slot_name <> 'left_behind'"
        " and pg_current_wal_lsn() - restart_lsn > 16000000"
    ):
        assert time.monotonic() < deadline
        landscape.on_primary("select pg_log_standby_snapshot()")
        time.sleep(0.1)
