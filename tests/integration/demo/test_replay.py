"""The replay on a real primary: its rows are consistent, and equal in a second run."""

from __future__ import annotations

from typing import Any, LiteralString

from replays import DAYS, replay_market

from runner.demo.market import STARTED_AT
from runner.servers.database import Connection

ORDERS: LiteralString = """
    select symbol, side, order_type, status, tag, exit_reason, price, quantity, filled_quantity,
        filled_price, fee, created_at, filled_at, trade_plan_id is null
    from trading_orders
    order by id
"""
SIGNALS: LiteralString = """
    select idempotency_key, signal_type, confidence, take_profit, stop_loss, status, metadata
    from ai_trading_signals
    order by idempotency_key
"""


def value(connection: Connection, query: LiteralString) -> Any:
    row = connection.execute(query).fetchone()
    assert row is not None
    return row[0]


def test_the_rows_agree_with_the_counts_and_with_each_other(deployed_primary: Connection) -> None:
    counts = replay_market(deployed_primary)
    assert counts["bars"] == value(deployed_primary, "select count(*) from market_bars")
    assert counts["signals"] == value(deployed_primary, "select count(*) from ai_trading_signals")
    assert (
        0
        < counts["executed"]
        == value(
            deployed_primary, "select count(*) from ai_trading_signals where status = 'EXECUTED'"
        )
    )
    # A signal knows no later pattern, nor one of another symbol, and a plan comes of its signal.
    assert not value(
        deployed_primary,
        """
        select count(*)
        from ai_trading_signals as signals
        left join micro_patterns as patterns on signals.pattern_id = patterns.id
        left join trade_plans as plans on signals.trade_plan_id = plans.id
        where
            patterns.created_at > signals.created_at
            or patterns.symbol <> signals.symbol
            or plans.created_at < signals.created_at
            or plans.symbol <> signals.symbol
        """,
    )
    assert not value(
        deployed_primary,
        """
        select count(*)
        from trading_orders
        where
            filled_at <= created_at
            or (status = 'FILLED' and filled_quantity is distinct from quantity)
            or (status in ('NEW', 'REJECTED') and filled_quantity is not null)
        """,
    )
    # No plan closes more than it opened.
    assert not value(
        deployed_primary,
        """
        select count(*)
        from (
            select
                sum(filled_quantity) filter (where exit_reason is null) as opened,
                sum(filled_quantity) filter (where exit_reason is not null) as closed
            from trading_orders
            where trade_plan_id is not null
            group by trade_plan_id
        ) as plans
        where closed > coalesce(opened, 0)
        """,
    )
    days = deployed_primary.execute(
        "select count(*), sum(total_trades) from trading_stats where date >= %s",
        (STARTED_AT.date(),),
    ).fetchone()
    assert days == (DAYS, counts["trades"])
    # Ids came from the sequences, so the platform can go on.
    deployed_primary.execute(
        "insert into micro_patterns (symbol, timeframe, pattern_type, confidence, signal) "
        "values ('BTCUSD', '1h', 'breakout', 0.5, 'BUY')"
    )


def test_a_replay_comes_out_the_same_twice(deployed_primary: Connection) -> None:
    outcomes = []
    for _ in range(2):
        # An open transaction holds the whole replay, and takes it back.
        deployed_primary.execute("select 1")
        counts = replay_market(deployed_primary)
        orders = deployed_primary.execute(ORDERS).fetchall()
        signals = deployed_primary.execute(SIGNALS).fetchall()
        deployed_primary.rollback()
        assert value(deployed_primary, "select count(*) from market_bars") == 0
        outcomes.append((counts, orders, signals))
    assert outcomes[0] == outcomes[1]
