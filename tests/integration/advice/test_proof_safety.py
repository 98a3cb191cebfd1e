"""Proofs on two real servers: what is not proven, what a proof never runs, and what it leaves."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from itertools import chain, repeat
from math import inf
from typing import Any

import psycopg
import pytest
from busy_trading import ALL, KEY, ORDERS, found, index
from command_line import marts
from drills import eventually
from landscapes import Landscape
from proving import proven, sampled

from runner.advice import advice, inserts, prove, replays
from runner.advice.replays import Reading, Replay

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
