"""Proofs on two real servers: the primary then does what they promise, and no advice harms."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest
from busy_trading import ALL, JOIN, KEY, ORDERS, RANGE, SYMBOL, UPDATE, found, index
from landscapes import Landscape
from proving import arrived, assert_alike, proven, sampled, touched, touched_on

from runner.advice.advice import Advice, Withdrawn


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


def test_a_drop_that_a_cheaper_statement_may_need_is_not_proven(busy: Landscape) -> None:
    """A statement beyond the 20 costliest is not run again, but it is told."""
    others = [f"select id + {n} from trading_orders where id = $1" for n in range(20)]
    text = "select id from trading_orders where price = $1"
    with index(busy, "create index planted on trading_orders (price)"):
        sampled(busy, *others, text, days=31)
        proof = found(proven(busy), "public.trading_orders.planted").proof
    assert proof is not None
    assert (proof.verdict, proof.why) == ("not proven", "beyond the 20 costliest")
    assert proof.not_replayed == ((text, "beyond the 20 costliest"),)
    assert len(proof.statements) == 20


def test_a_copy_is_drawn_on_to_twenty_times_its_rows(busy: Landscape) -> None:
    """A foreign key's check gains on the copy itself."""
    sampled(busy)
    proof = found(proven(busy, ORDERS // 50), KEY).proof
    assert proof is not None
    assert proof.verdict == "gain"
    assert proof.why.endswith(f"(not proven beyond {proof.drawn_rows:,} rows)")
    assert proof.drawn_rows == 20 * proof.rows < proof.table_rows


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
