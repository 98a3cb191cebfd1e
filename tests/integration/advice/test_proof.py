"""Proofs on two real servers: the primary then does what they promise, and no advice harms."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from itertools import chain, repeat
from math import inf
from typing import Any

import psycopg
import pytest
from command_line import marts
from drills import eventually
from landscapes import Landscape
from proving import arrived, assert_alike, proven, sampled, touched, touched_on

from runner.advice import advice, inserts, prove, replays
from runner.advice.advice import Advice, Finding, Withdrawn
from runner.advice.replays import Reading, Replay

ORDERS = 100_000
RANGE = (
    "select count(*), sum(quantity) from public.trading_orders"
    " where filled_at >= $1 and filled_at < $2"
)
SYMBOL = (
    "select id, price from trading_orders as o where o.symbol = $1 order by created_at limit $2"
)
UPDATE = "update trading_orders set price = price + $1 where trade_plan_id = $2 and quantity = $3"
JOIN = (
    "select o.id, p.strategy from public.trade_plans as p"
    " inner join trading_orders o on o.trade_plan_id = p.id where p.id = $1"
)
ALL = (RANGE, SYMBOL, UPDATE, JOIN)


@pytest.fixture(scope="module")
def traded(advised: Landscape) -> Landscape:
    """A platform with many orders, of a plan each 25, and plans without an order."""
    advised.on_primary(
        "insert into trade_plans (id, strategy, symbol, entry_price_target, stop_loss_price,"
        " take_profit_1_price) select 10000 + n, 'grid', 'S' || n % 50, 10, 9, 12"
        " from generate_series(1, 5000) as n;"
        "insert into trading_orders (client_order_id, trade_plan_id, created_at, filled_at, symbol,"
        " order_type, side, status, price, quantity, created_by)"
        " select 'busy-' || n, 10001 + n % 4000, '2026-01-01Z'::timestamptz + n * interval '1 min',"
        " '2026-01-01Z'::timestamptz + n * interval '1 min', 'S' || n % 50, 'limit', 'BUY',"
        f" 'FILLED', n, 1, 'grid' from generate_series(1, {ORDERS}) as n;"
        "drop index trading_orders_plan"
    )
    with advised.primary.connect(autocommit=True) as connection:
        connection.execute("vacuum (analyze) trading_orders")
    arrived(advised)
    return advised


@pytest.fixture
def busy(traded: Landscape, observed: Landscape) -> Landscape:
    """The same without a sample."""
    assert observed is traded
    return traded


@contextmanager
def index(landscape: Landscape, statement: str, *, workers: int = 2) -> Iterator[None]:
    """An index named ``planted``."""
    landscape.on_primary(f"set local max_parallel_maintenance_workers = {workers}; {statement}")
    try:
        yield
    finally:
        landscape.on_primary("drop index if exists planted")


def found(told: Advice, where: str) -> Finding:
    (finding,) = [each for each in told.findings if each.where == where]
    return finding


def withdrawn(told: Advice, where: str) -> Withdrawn:
    """A withdrawn one, which is among the findings no more."""
    assert not [each for each in told.findings if each.where == where]
    (one,) = [each for each in told.withdrawn if each.where == where]
    return one


def scans(landscape: Landscape) -> None:
    """Read all orders from end to end."""
    with landscape.primary.connect(autocommit=True) as connection:
        for _ in range(3):
            connection.execute("select count(*) from trading_orders where quantity <> 3")
        connection.execute("select pg_stat_force_next_flush()")


# --- what is promised ---------------------------------------------------------------------------

VALUES: dict[str, Sequence[Sequence[Any]]] = {
    # A hundredth of the orders each.
    RANGE: [(f"2026-01-{day}Z", f"2026-01-{day} 16:40Z") for day in (10, 20, 30)],
    SYMBOL: [("S3", 1), ("S30", 1)],
    UPDATE: [(0, plan, 1) for plan in (10007, 11000, 13000)],
    JOIN: [(plan,) for plan in (10007, 11000, 13000)],
}
KEY = "public.trading_orders.trading_orders_trade_plan_id_fkey"


@pytest.mark.parametrize("rows", [2 * ORDERS, ORDERS // 5])
def test_a_foreign_keys_index_saves_what_is_promised(busy: Landscape, rows: int) -> None:
    """Also on a copy of a fifth of the rows."""
    sampled(busy, *ALL)
    finding = found(proven(busy, rows), KEY)
    proof = finding.proof
    assert proof is not None
    assert finding.statement is not None
    assert (proof.verdict, proof.not_replayed) == ("gain", ())
    assert proof.rows <= rows + 1
    assert proof.table_rows >= ORDERS
    check, *others = proof.statements
    assert [each.statement for each in others] == list(ALL)
    unused = "delete from trade_plans where id = 14800"
    with busy.primary.connect(autocommit=True) as connection:
        before = {text: touched(connection, text, VALUES[text]) for text in ALL}
        check_before = touched_on(connection, "trading_orders", unused)
        connection.execute(finding.statement.encode())
        try:
            after = {text: touched(connection, text, VALUES[text]) for text in ALL}
            check_after = touched_on(connection, "trading_orders", unused)
        finally:
            connection.execute(f"drop index {finding.statement.split()[3]}".encode())
    assert check.uses_index
    assert_alike(check.blocks_saved, check_before - check_after)
    for each in others:
        assert each.uses_index == (each.statement in (UPDATE, JOIN))
        if each.uses_index:
            assert_alike(each.blocks_saved, before[each.statement] - after[each.statement])
        else:
            assert (each.blocks_saved, before[each.statement]) == (0, after[each.statement])
    assert proof.inserts is not None
    costs = (proof.inserts.without, proof.inserts.with_index)
    assert (costs[1].wal_bytes or 0) > (costs[0].wal_bytes or 0)
    assert costs[1].blocks > costs[0].blocks


@pytest.mark.parametrize("rows", [2 * ORDERS, ORDERS // 5])
def test_an_index_is_derived_from_the_costliest_statement(busy: Landscape, rows: int) -> None:
    sampled(busy, RANGE, between=lambda: scans(busy))
    finding = found(proven(busy, rows), "public.trading_orders")
    assert finding.proof is not None
    assert finding.proof.verdict == "gain"
    assert finding.statement is not None
    assert finding.undo is not None
    (replayed,) = finding.proof.statements
    with busy.primary.connect(autocommit=True) as connection:
        before = touched(connection, RANGE, VALUES[RANGE])
        connection.execute(finding.statement.encode())
        after = touched(connection, RANGE, VALUES[RANGE])
        connection.execute(finding.undo.encode())
    assert_alike(replayed.blocks_saved, before - after)


UNCONCERNED = (
    "insert into trading_orders (id, symbol) values ($1, $2)",
    "select id from trading_orders where fee_currency = $1",
)


def test_a_dropped_index_saves_what_is_promised(busy: Landscape) -> None:
    """Of an index that another one covers; the other one then serves its statements."""
    text = "select id, price from trading_orders where symbol = $1"
    insert = (
        "insert into trading_orders (client_order_id, created_at, symbol, order_type, side, status,"
        " price, quantity, created_by) select $1 || n, now(), 'S' || n % 50, 'limit', 'BUY',"
        " 'FILLED', 1, 1, 'grid' from generate_series(1, 500) as n"
    )
    with index(busy, "create index planted on trading_orders (symbol)"):
        sampled(busy, text, *UNCONCERNED)
        finding = found(proven(busy), "public.trading_orders.planted")
        assert finding.kind == "overlapping_index"
        with busy.primary.connect(autocommit=True) as connection:
            before = touched(connection, insert, [("before-",)])
            connection.execute((finding.statement or "").encode())
            after = touched(connection, insert, [("after-",)])
    assert finding.proof is not None
    assert finding.proof.inserts is not None
    assert finding.proof.verdict == "gain"
    assert [each.statement for each in finding.proof.statements] == [text]
    told = finding.proof.inserts
    assert_alike(told.with_index.blocks - told.without.blocks, (before - after) / 500)
    assert (told.with_index.wal_bytes or 0) > (told.without.wal_bytes or 0)


# --- what is withdrawn --------------------------------------------------------------------------


def test_a_drop_that_harms_is_withdrawn(busy: Landscape) -> None:
    """An index that nothing has scanned for a month, and a statement that would."""
    text = "select id from trading_orders where price = $1"
    with index(busy, "create index planted on trading_orders (price)"):
        sampled(busy, text, days=31)
        one = withdrawn(proven(busy), "public.trading_orders.planted")
        assert (one.kind, one.proof.verdict) == ("unused_index", "harmful")
        assert text in one.proof.why
        with busy.primary.connect(autocommit=True) as connection:
            with_index = touched(connection, text, [(70_000,)])
            connection.execute("drop index planted")
            without = touched(connection, text, [(70_000,)])
        (replayed,) = one.proof.statements
        assert_alike(-replayed.blocks_saved, without - with_index)


def test_of_two_indexes_that_serve_a_statement_one_is_kept(busy: Landscape) -> None:
    """Either can be dropped, but not both."""
    text = "select id from trading_orders where price = $1"
    busy.on_primary(
        "create index planted on trading_orders (price, quantity);"
        "create index planted_too on trading_orders (price, leverage)"
    )
    try:
        sampled(busy, text, days=31)
        told = proven(busy)
    finally:
        busy.on_primary("drop index planted, planted_too")
    proof = found(told, "public.trading_orders.planted").proof
    assert proof is not None
    assert proof.verdict == "gain"
    assert withdrawn(told, "public.trading_orders.planted_too").proof.verdict == "harmful"


def test_an_index_of_a_tiny_table_is_no_gain(busy: Landscape) -> None:
    busy.on_primary(
        "drop index idx_ai_signals_pattern;"
        "insert into ai_models (id, model_type, model_name, version)"
        " overriding system value values (77, 'sparse_spectrum', 'tiny', '1');"
        "insert into ai_trading_signals (model_id, symbol, signal_type, confidence, pattern_id)"
        " select 77, 'BTCUSD', 'HOLD', 0.5, min(id) from micro_patterns"
    )
    try:
        arrived(busy)
        sampled(busy)
        key = "public.ai_trading_signals.ai_trading_signals_pattern_id_fkey"
        assert withdrawn(proven(busy), key).proof.verdict == "no gain"
    finally:
        busy.on_primary(
            "delete from ai_trading_signals where model_id = 77;"
            "delete from ai_models where id = 77;"
            "create index idx_ai_signals_pattern on ai_trading_signals (pattern_id)"
        )


def test_an_index_that_chooses_half_of_the_rows_is_not_recommended(busy: Landscape) -> None:
    text = "select max(price) from trading_orders where status = $1"
    sampled(busy, text, between=lambda: scans(busy))
    finding = found(proven(busy), "public.trading_orders")
    assert finding.proof is not None
    assert (finding.proof.verdict, finding.statement) == ("no gain", None)
    assert finding.proof.why == "no statement uses the index"


# --- what is not proven -------------------------------------------------------------------------


def test_what_the_replica_does_not_hold_is_not_proven(
    busy: Landscape, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nor what is another's table, whatever its comment says."""
    monkeypatch.setattr(advice, "AT_MOST", 100)
    busy.on_primary(
        "create table elsewhere (a bigint primary key, b bigint references elsewhere);"
        "create table venues (a bigint primary key)"
    )
    busy.on_replica(
        "create table elsewhere as select 1::bigint as a, 1::bigint as b;"
        "comment on table elsewhere is 'landing table made by signal-marts';"
        "alter table elsewhere owner to bi_reader; grant select on elsewhere to transformer"
    )
    try:
        with index(busy, "create index planted on trading_orders (fee_currency)"):
            sampled(busy, days=31)
            told = proven(busy)
    finally:
        busy.on_primary("drop table elsewhere, venues")
        busy.on_replica("drop table elsewhere")
    proof = found(told, "public.elsewhere.elsewhere_b_fkey").proof
    assert proof is not None
    assert proof.verdict == "not proven"
    assert proof.why == "the replica does not hold the rows of public.elsewhere"
    proof = found(told, "public.trading_orders.planted").proof
    assert proof is not None
    assert proof.verdict == "not proven"
    assert "fee_currency" in proof.why


EFFECT, READS, OWN = "effect of its own", "may read something else", "no part of PostgreSQL"
ATTACKS = {
    "select pg_advisory_lock(id) from trading_orders where symbol = $1": EFFECT,
    "select (id).pg_advisory_lock from trading_orders where symbol = $1": EFFECT,
    "select (o.price::float8).pg_sleep from trading_orders o where symbol = $1": EFFECT,
    "select (symbol).ts_stat from trading_orders where symbol = $1": EFFECT,
    "select n.pg_sleep from (select price::float8 from trading_orders) n(n)": "does not exist",
    "select query_to_xml(symbol, true, true, '') from trading_orders where symbol = $1": EFFECT,
    "select schema_to_xml('public', true, true, symbol) from trading_orders": READS,
    "select (symbol).current_setting from trading_orders where symbol = $1": READS,
    "select planted.f(id) from trading_orders where symbol = $1": OWN,
    "select id from trading_orders where planted.f(1) and symbol = $1": OWN,
    "select id from trading_orders where price operator(planted.#) 1 > 0 and symbol = $1": OWN,
    "select id from trading_orders where cast(1 as planted.d) > 0 and symbol = $1": OWN,
    "select id from trading_orders where 1::planted.d > 0 and symbol = $1": OWN,
    "select id from trading_orders where symbol = $1 union all select 1 from planted.t where false"
    "": "no scratch copy",
}
REFUSED = {
    "select pg_advisory_lock(id) from trading_orders where symbol = $1": EFFECT,
    "select id from trading_orders, pg_stat_activity where symbol = $1": "no scratch copy",
    "select id from trading_orders where symbol = $1; drop table x": "more than one statement",
    "select symbol from trading_orders where fee_currency = $1": "no value can be chosen for $1",
    "select symbol from trading_orders where fee_currency is null": "does not exist",
    "select symbol from trading_orders where price > $1 * 2": "no value can be chosen for $1",
    "select symbol from trading_orders, other_table": "does not exist",
    "select id from trading_orders where symbol = $1".ljust(1000): "only its beginning is kept",
}


@pytest.fixture
def planted(busy: Landscape) -> Iterator[Landscape]:
    """A schema on both sides whose function, operator, type and operator class count their calls,
    where they run, though they claim to be immutable."""
    for run in (busy.on_primary, busy.on_replica):
        run(
            "create schema planted; create sequence planted.calls; create table planted.t ();"
            "create function planted.f(numeric) returns boolean immutable language plpgsql as"
            " $$begin perform nextval('planted.calls'); return true; end$$;"
            "create function planted.f(numeric, numeric) returns integer immutable"
            " language plpgsql as"
            " $$begin perform nextval('planted.calls'); return numeric_cmp($1, $2); end$$;"
            "create operator planted.# (function = planted.f,"
            " leftarg = numeric, rightarg = numeric);"
            "create domain planted.d as numeric check (planted.f(value));"
            "create operator class planted.ops for type numeric using btree as operator 1 <,"
            " operator 2 <=, operator 3 =, operator 4 >=, operator 5 >,"
            " function 1 planted.f(numeric, numeric);"
            "grant usage on schema planted to public; grant usage on planted.calls to public;"
            "grant select on planted.t to public"
        )
    yield busy
    for run in (busy.on_primary, busy.on_replica):
        run("drop schema planted cascade")


def is_called(landscape: Landscape) -> bool:
    return landscape.on_replica("select is_called from planted.calls") == [(True,)]


def test_what_is_planted_in_an_index_is_not_run(planted: Landscape) -> None:
    with index(planted, "create index planted on trading_orders (price planted.ops)", workers=0):
        sampled(planted, days=31)
        proof = found(proven(planted), "public.trading_orders.planted").proof
    assert proof is not None
    assert (proof.verdict, OWN in proof.why) == ("not proven", True)
    assert not is_called(planted)


def test_no_statement_runs_more_than_it_may(planted: Landscape) -> None:
    with index(planted, "create index planted on trading_orders (symbol)"):
        sampled(planted, *ATTACKS)
        proof = found(proven(planted), "public.trading_orders.planted").proof
    assert proof is not None
    reasons = dict(proof.not_replayed)
    assert {text: ATTACKS[text] in reasons.get(text, "") for text in ATTACKS} == dict.fromkeys(
        ATTACKS, True
    ), reasons
    assert not is_called(planted)


def test_what_cannot_be_replayed_is_told_and_drops_nothing(busy: Landscape) -> None:
    taken = "with gone as (delete from trading_orders where symbol = $1 returning id) table gone"
    with index(busy, "create index planted on trading_orders (symbol)"):
        sampled(busy, *REFUSED, taken)
        proof = found(proven(busy), "public.trading_orders.planted").proof
    assert proof is not None
    assert proof.verdict == "not proven"
    assert [each.statement for each in proof.statements] == [taken]
    reasons = dict(proof.not_replayed)
    assert reasons.keys() == REFUSED.keys()
    assert {text: REFUSED[text] in why for text, why in reasons.items()} == dict.fromkeys(
        REFUSED, True
    )
    assert busy.differences() == []


def test_statements_that_take_too_long_are_not_replayed(
    busy: Landscape, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The time is looked at before each one is prepared, and before each run of it."""
    runs: list[Any] = []

    def counted(*given: Any) -> Reading:
        runs.append(given)
        return run(*given)

    run = Replay._run
    monkeypatch.setattr(Replay, "_run", counted)
    sampled(busy, *ALL)
    prepared = 1 + len(ALL)
    for looks in (2, prepared + 3):
        times = chain([0.0] * looks, repeat(inf))
        monkeypatch.setattr(replays, "monotonic", times.__next__)
        runs.clear()
        proof = found(proven(busy), KEY).proof
        assert proof is not None
        assert (proof.verdict, proof.why) == ("not proven", "there was no time left")
        assert len(proof.not_replayed) == prepared
        assert len(runs) == max(0, looks - prepared)


def test_the_command_has_an_end(busy: Landscape, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(prove, "TOTAL_SECONDS", -1)
    sampled(busy, *ALL)
    proof = found(proven(busy), KEY).proof
    assert proof is not None
    assert (proof.verdict, proof.why) == ("not proven", "others took all of the time")


# --- what stays ---------------------------------------------------------------------------------

LEFT = (
    "select relname::text from pg_class where relpersistence = 't'"
    " union all select nspname::text from pg_namespace where nspname like 'signal_marts_proof%'"
    " union all select application_name from pg_stat_activity"
    " where application_name = 'signal-marts advise' and datname = current_database()"
)


def test_a_proof_locks_nothing_and_leaves_nothing(
    busy: Landscape, monkeypatch: pytest.MonkeyPatch
) -> None:
    """While it works, its session has locks on catalogs and on what it made alone."""
    locked: list[Any] = []

    def asked(scratch: psycopg.Connection[Any], *others: Any) -> Any:
        made = inserts_measured(scratch, *others)
        locked.extend(
            busy.on_replica(
                "select c.relname, l.mode from pg_locks as l inner join pg_class as c"
                " on l.relation = c.oid where l.database = ("
                " select oid from pg_database where datname = current_database())"
                f" and l.pid = {scratch.info.backend_pid} and c.relnamespace = any("
                "'{public,signal_marts,operations,changes}'::regnamespace[])"
            )
        )
        locked.append(scratch.info.backend_pid)
        return made

    inserts_measured = inserts.measured
    monkeypatch.setattr(inserts, "measured", asked)
    pruned = "select id from trading_orders where symbol = $1 union all select 1 from"
    sampled(busy, *ALL, f"{pruned} operations.table_activity where false")
    proven(busy)
    assert len(locked) == 1
    assert eventually(lambda: busy.on_replica(LEFT) == [])


def environment(landscape: Landscape) -> dict[str, str]:
    urls = {"PRIMARY_URL": landscape.primary.url, "REPLICA_URL": landscape.replica.url}
    return {**os.environ, **urls}


def test_a_killed_proof_leaves_nothing(busy: Landscape) -> None:
    sampled(busy, *ALL)
    begun = subprocess.Popen(
        [sys.executable, "-m", "runner", "advise", "--prove"],
        env=environment(busy),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        eventually(
            lambda: busy.on_replica(
                "select pid from pg_stat_activity where application_name = 'signal-marts advise'"
                " and backend_xid is not null"
            ),
            what="a proof at work",
        )
    finally:
        begun.kill()
        begun.wait(60)
    assert eventually(lambda: busy.on_replica(LEFT) == [])


def test_the_command(busy: Landscape) -> None:
    sampled(busy, *ALL)
    told = marts("advise", "--prove", env=environment(busy))
    assert told.returncode == 0, told.stderr
    assert "    proof     gain: " in told.stdout
    assert "proof: 1 of 1" in told.stderr
    told = marts("advise", "--prove", "--json", env=environment(busy))
    (finding,) = json.loads(told.stdout)["findings"]
    assert finding["proof"]["verdict"] == "gain"
    assert finding["proof"]["statements"][0]["blocks_before"] > ORDERS / 200
    told = marts("advise", "--json", env=environment(busy))
    assert json.loads(told.stdout)["findings"][0]["proof"] is None
