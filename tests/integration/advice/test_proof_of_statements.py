"""A proof from statements as pg_stat_statements itself tells them, and what it then counts."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from advised import MARTS, take
from landscapes import VERSION, Landscape
from mortal_servers import configure, landscape_on
from proving import arrived, assert_alike, proven

from runner.demo.embedded import EmbeddedPair

pytestmark = pytest.mark.skipif(VERSION != 15, reason="needs Debian's servers, of version 15")

SELECT = "select sum(price) from trading_orders where trade_plan_id = "
DELETE = "delete from trade_plans where id = "


@pytest.fixture
def counted(own_pair: EmbeddedPair, tmp_path: Path) -> Iterator[Landscape]:
    """A platform with many orders and no index on their plans, which counts statements."""
    configure(own_pair, own_pair.primary, "shared_preload_libraries", "pg_stat_statements")
    own_pair.down()
    own_pair.up()
    with landscape_on(own_pair) as landscape:
        landscape.deploy()
        assert not landscape.build(tmp_path, *MARTS).failures
        landscape.on_primary(
            "create extension pg_stat_statements;"
            "insert into trade_plans (id, strategy, symbol, entry_price_target, stop_loss_price,"
            " take_profit_1_price)"
            " select 10000 + n, 'grid', 'S', 10, 9, 12 from generate_series(1, 2000) as n;"
            "insert into trading_orders (client_order_id, trade_plan_id, symbol, order_type, side,"
            " status, price, quantity, created_by) select 'busy-' || n, 10001 + n % 1500, 'S',"
            " 'limit', 'BUY', 'NEW', n, 1, 'grid' from generate_series(1, 30000) as n;"
            "drop index trading_orders_plan"
        )
        with landscape.primary.connect(autocommit=True) as connection:
            connection.execute("vacuum (analyze) trading_orders")
        arrived(landscape)
        yield landscape


def called(landscape: Landscape, first: int) -> tuple[float, float]:
    """Blocks that a call of either statement touches, by the server's count of ten calls."""
    landscape.on_primary("select pg_stat_statements_reset()")
    for number in range(first, first + 10):
        landscape.on_primary(f"{SELECT}{10001 + 7 * number}")
        landscape.on_primary(f"{DELETE}{11600 + number}")
    ((select, delete),) = landscape.execute(
        "primary",
        "select sum(blocks) filter (where query like 'select sum(%'),"
        " sum(blocks) filter (where query like 'delete%') from ("
        " select query, (shared_blks_hit + shared_blks_read)::float / calls as blocks"
        " from pg_stat_statements) as s",
    )
    assert isinstance(select, float)
    assert isinstance(delete, float)
    return select, delete


def test_what_is_promised_is_what_the_server_counts(counted: Landscape) -> None:
    take(counted)
    before = called(counted, 0)
    arrived(counted)
    take(counted)
    told = [each for each in proven(counted).findings if each.proof is not None]
    (finding,) = [each for each in told if each.kind == "foreign_key_without_index"]
    assert finding.proof is not None
    assert finding.proof.verdict == "gain"
    with counted.primary.connect(autocommit=True) as connection:
        connection.execute((finding.statement or "").encode())
    after = called(counted, 10)
    of = {each.statement: each for each in finding.proof.statements}
    check, select = of.pop(next(iter(of))), of[f"{SELECT}$1"]
    assert select.uses_index
    assert_alike(select.blocks_saved, before[0] - after[0])
    assert_alike(check.blocks_saved, before[1] - after[1])
