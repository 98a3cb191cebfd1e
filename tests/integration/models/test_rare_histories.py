"""Cases that random histories seldom reach: marts from changes equal full builds here too."""

from __future__ import annotations

import pytest
from histories import Histories, build, place_order

pytestmark = pytest.mark.timeout(1200)  # builds, and builds in full to compare them with


def test_rare_changes(history: Histories) -> None:
    """Fills before a source's first day, types that swap patterns, a signal that never expires."""

    history.connection.execute(
        """
        insert into market_bars
        select 'BTCUSD', '1h', opened_at, 100, 101, 99,
            100 + extract(hour from opened_at) / 24, 1
        from generate_series(timestamptz '2025-03-01Z', '2025-03-04Z', '1 hour') as opened_at;

        insert into micro_patterns
            (id, symbol, timeframe, pattern_type, confidence, signal, created_at)
        values
            (5, 'BTCUSD', '1h', 'doji', 0.5, 'BUY', '2025-03-01 01:00Z'),
            (7, 'BTCUSD', '1h', 'harami', 0.5, 'SELL', '2025-03-01 02:00Z'),
            (9, 'BTCUSD', '1h', 'doji', 0.5, 'BUY', '2025-03-02 03:00Z'),
            (10, 'BTCUSD', '1h', 'harami', 0.5, 'SELL', '2025-03-02 04:00Z');

        insert into trade_plans (id, strategy, symbol, entry_price_target, stop_loss_price,
            take_profit_1_price, created_at)
        values
            (1, 'grid', 'BTCUSD', 100, 95, 110, '2025-03-02 23:00Z'),
            (2, 'gap', 'BTCUSD', 100, 95, 110, '2025-03-01 23:00Z');

        insert into trading_stats
            (date, net_profit, total_trades, winning_trades, losing_trades)
        values ('2025-03-01', 0, 0, 0, 0), ('2025-03-03', 2, 1, 1, 0);

        insert into ai_models (id, model_type, model_name, version, created_at)
        values (1, 'sparse_spectrum', 'never ends', '1', '2025-03-01Z');

        insert into ai_trading_signals
            (model_id, symbol, signal_type, confidence, created_at, expires_at)
        values (1, 'BTCUSD', 'BUY', 0.5, '2025-03-01Z', '2199-12-31Z');
        """
    )
    # Filled before the day on which they were placed, the first of their strategy.
    place_order(history, 1, "BUY", 100, "2025-03-03 00:00:01Z", "2025-03-02 23:59:50Z")
    place_order(history, 1, "SELL", 102, "2025-03-03 00:00:02Z", "2025-03-02 23:59:58Z")
    history.compare()

    place_order(history, 2, "BUY", 101, "2025-03-03 05:00Z", "2025-03-03 05:00Z")
    place_order(history, None, "BUY", 101, "2025-03-03 06:00Z", "2025-03-03 06:00Z")
    # As many patterns of either type as before, and other first ones.
    history.connection.execute(
        """
        update micro_patterns as pattern set pattern_type = other.pattern_type
        from micro_patterns as other
        where pattern.id in (5, 7) and other.id in (5, 7) and pattern.id <> other.id
        """
    )
    # Tables that are emptied, one of them to be filled again with fewer rows.
    history.connection.execute(
        """
        create temporary table kept on commit drop as select * from market_bars;
        truncate market_bars, trading_stats;
        insert into market_bars select * from kept where opened_at <> '2025-03-03 03:00Z'
        """
    )
    history.compare()


def test_partial_builds_between_what_goes_and_returns(history: Histories) -> None:
    """Models that slept meet parents that are empty, or have others' numbers."""
    signals = """
        insert into ai_trading_signals (model_id, symbol, signal_type, confidence, created_at)
        select 1, 'BTCUSD', 'BUY', 0.5, created_at
        from generate_series(timestamptz '{}Z', '{}Z', '1 day') as created_at
        """
    bars = """
        insert into market_bars
        select 'BTCUSD', timeframe, opened_at, 100, 101, 99, 100, 1
        from unnest('{1h,30m}'::text[]) as timeframe
        cross join generate_series(timestamptz '2025-03-01Z', '2025-03-04Z', '1 hour') as opened_at
        """
    history.connection.execute(
        """
        delete from trading_orders;
        delete from trading_stats;

        insert into ai_models (id, model_type, model_name, version, created_at)
        values (1, 'genetic_optimization', 'returns', '1', '2025-03-01Z')
        """
    )
    history.connection.execute(signals.format("2025-03-05", "2025-03-10"))
    history.compare()

    # The calendar moves, and what is closed is told of it only later, with the rest.
    history.connection.execute("delete from ai_trading_signals")
    history.connection.execute(signals.format("2025-03-03", "2025-03-03"))
    build(history, "int_calendar")
    history.compare()

    history.connection.execute(bars)
    history.connection.execute(
        """
        insert into genetic_generations
            (model_id, generation_number, best_fitness, average_fitness, population_diversity,
            best_individual, created_at)
        values (1, 0, 0, 0, 0, '{"gene": 1.0}', '2025-03-03Z')
        """
    )
    history.compare()

    # Bars go, and only their numbers are built; values are written in another way.
    history.connection.execute("delete from market_bars")
    build(history, "stg_ai__market_bars", "int_bars_numbered")
    history.connection.execute(bars)
    history.connection.execute(
        """
        update genetic_generations
        set best_fitness = '-0', best_individual = '{"gene": 1.00}'
        """
    )
    history.compare()


def test_models_that_sleep_while_what_they_read_goes_and_returns(history: Histories) -> None:
    """Each build is of a few models, and all that these read; the others make up for it at last."""

    def add_bars(symbol: str, first: str, last: str) -> None:
        history.connection.execute(
            """
            insert into market_bars
            select %s, '1h', opened_at, 100, 102, 99, 100 + extract(hour from opened_at) / 24, 1
            from generate_series(%s::timestamptz, %s, '1 hour') as opened_at
            """,
            (symbol, first, last),
        )

    def add_signals(first: str, last: str) -> None:
        history.connection.execute(
            """
            insert into ai_trading_signals (model_id, symbol, signal_type, confidence, created_at)
            select 1, 'BTCUSD', 'BUY', 0.5, created_at
            from generate_series(%s::timestamptz, %s, '1 hour') as created_at
            """,
            (first, last),
        )

    history.connection.execute(
        """
        insert into ai_models (id, model_type, model_name, version, created_at)
        values (1, 'genetic_optimization', 'sleeps', '1', '2025-02-20Z');

        insert into micro_patterns
            (symbol, timeframe, pattern_type, confidence, signal, created_at)
        values ('BTCUSD', '1h', 'harami', 0.5, 'BUY', '-infinity')
        """
    )
    add_bars("BTCUSD", "2025-03-01Z", "2025-03-04Z")
    add_signals("2025-03-01 01:00Z", "2025-03-03Z")
    history.compare()

    # A symbol with a timeframe of its own, which goes again.
    add_bars("NEWUSD", "2025-03-01Z", "2025-03-02Z")
    build(history, "int_ensemble_bars")
    history.connection.execute("delete from market_bars where symbol = 'NEWUSD'")
    build(history, "int_timeframes")
    # Cases that are counted before a signal that knows them comes, and after.
    history.connection.execute(
        "update ai_trading_signals set confidence = 0.9 where created_at < '2025-03-02Z'"
    )
    build(history, "int_ensemble_similar_outcomes")
    add_signals("2025-03-05Z", "2025-03-05Z")
    build(history, "int_ensemble_signal_outcomes")
    history.compare()

    # A close that goes and returns, and bars before all others: numbers move.
    gone = "2025-03-02 12:00Z"
    history.connection.execute(
        "delete from market_bars where symbol = 'BTCUSD' and opened_at = %s", (gone,)
    )
    build(history, "int_ensemble_losses")
    add_bars("BTCUSD", gone, gone)
    build(history, "int_ensemble_bars")
    add_bars("BTCUSD", "2025-02-27Z", "2025-02-28 23:00Z")
    history.connection.execute("update ai_trading_signals set confidence = 0.8 where id = 1")
    build(history, "int_ensemble_signal_outcomes")
    history.compare()

    # An expert that goes and returns, and closes that are built without it meanwhile.
    pattern = """
        insert into micro_patterns
            (id, symbol, timeframe, pattern_type, confidence, signal, created_at)
        values (5, 'BTCUSD', '1h', 'doji', 0.5, 'SELL', '2025-03-01 23:00Z')
        """
    history.connection.execute(pattern)
    build(history)
    for model in ("int_ensemble_forecasts_live", "ensemble_decisions"):
        history.connection.execute("delete from micro_patterns where id = 5")
        history.connection.execute(
            "update market_bars set close = close + 0.01"
            " where symbol = 'BTCUSD' and opened_at = '2025-03-02 01:00Z'"
        )
        build(history, model)
        history.connection.execute(pattern)
        build(history, "int_ensemble_experts")
    history.compare()


def test_orders_that_come_to_a_plan_or_leave_it(history: Histories) -> None:
    """Where they are matched changes, and what reads that sleeps."""
    history.connection.execute(
        """
        delete from trading_orders;

        insert into trade_plans (id, strategy, symbol, entry_price_target, stop_loss_price,
            take_profit_1_price, created_at)
        values (1, 'grid', 'BTCUSD', 100, 95, 110, '2025-03-01Z');

        insert into ai_models (id, model_type, model_name, version, created_at)
        values (1, 'genetic_optimization', 'plans', '1', '2025-03-01Z');

        insert into ai_trading_signals
            (model_id, trade_plan_id, symbol, signal_type, confidence, created_at)
        select 1, 1, 'BTCUSD', unnest('{BUY,SELL}'::text[]), 0.5, '2025-03-02Z'
        """
    )
    place_order(history, None, "BUY", 100, "2025-03-02 01:00Z", "2025-03-02 01:00Z")
    place_order(history, None, "SELL", 102, "2025-03-02 02:00Z", "2025-03-02 02:00Z")
    history.compare()
    # The pair may be the same, the other way round, and of more than the plan matched.
    turned = "case side when 'BUY' then 'SELL'::order_side else 'BUY' end"
    for plan, side, quantity, model in (
        ("1", "side", 1, "int_orders_matched_in_plan"),
        ("null", "side", 1, "int_orders_attributed"),
        ("1", turned, 1, "int_fills_matched_in_plan"),
        ("null", turned, 2, "int_fills_left_by_plans"),
    ):
        history.connection.execute(
            f"""
            update trading_orders
            set trade_plan_id = {plan}, filled_price = filled_price + 1, side = {side},
                quantity = {quantity}, filled_quantity = {quantity}
            """
        )
        build(history, model)
        history.compare()

    # Orders that were filled less than they are still matched.
    history.connection.execute(
        "update trading_orders set quantity = 1e9, filled_quantity = 1e9, fee = 2000"
    )
    history.compare()
    history.connection.execute("update trading_orders set filled_quantity = 1e-8")
    for model in ("int_open_positions", "int_lots_closed"):
        build(history, model)
        history.connection.execute("update trading_orders set fee = fee + 1")
    history.compare()


def test_keys_that_come_go_and_move(history: Histories) -> None:
    """An order's key goes before its plan and the latest signal; whatever changes is followed."""
    history.connection.execute(
        """
        delete from trading_orders;

        insert into trade_plans (id, strategy, symbol, entry_price_target, stop_loss_price,
            take_profit_1_price, created_at)
        values (1, 'grid', 'BTCUSD', 100, 95, 110, '2025-03-01Z');

        insert into ai_models (id, model_type, model_name, version, created_at)
        select id, 'genetic_optimization', name, '1', '2025-03-01Z'
        from (values (1, 'keys'), (2, 'plans'), (3, 'latest')) as models (id, name);

        -- The signal of key a is over before the first order.
        insert into ai_trading_signals (id, model_id, trade_plan_id, idempotency_key, symbol,
            signal_type, confidence, created_at, expires_at)
        values
            (1, 1, null, 'a', 'BTCUSD', 'BUY', 0.5, '2025-03-01 10:00Z', '2025-03-01 11:00Z'),
            (2, 2, 1, 'b', 'BTCUSD', 'BUY', 0.5, '2025-03-01 10:00Z', null),
            (3, 3, null, null, 'BTCUSD', 'BUY', 0.5, '2025-03-01 12:00Z', null);

        insert into trading_orders (id, client_order_id, trade_plan_id, side, filled_price,
            created_at, filled_at, symbol, order_type, status, quantity, filled_quantity,
            created_by)
        select id, name, plan, side::order_side, price, placed_at, placed_at, 'BTCUSD', 'market',
            'FILLED', 1, 1, 'test'
        from (
            values
                (1, ' a #1', 1, 'BUY', 100, timestamptz '2025-03-01 13:00Z'),
                (2, 'a#2', null, 'SELL', 105, '2025-03-01 14:00Z'),
                (3, 'c#3', 1, 'BUY', 100, '2025-03-01 13:00Z'),
                (4, 'c#4', null, 'BUY', 100, '2025-03-01 13:00Z'),
                (5, 'c#5', null, 'SELL', 100, '2025-03-01 14:00Z')
        ) as orders (id, name, plan, side, price, placed_at);
        """
    )

    def found(change: str = "select 1") -> dict[object, tuple[object, ...]]:
        """Source, method and signal of the orders, after a change."""
        history.connection.execute(change)
        history.compare()
        rows = history.landscape.on_replica(
            "select order_id, source_name, method, signal_id from performance.order_attribution"
        )
        return {order: tuple(found) for order, *found in rows}

    by_key, exit_by_key = ("keys 1", "signal_key", 1), ("keys 1", "signal_key", None)
    in_plan, as_of = ("plans 1", "trade_plan", 2), ("latest 1", "as_of", 3)
    alone = ("unplanned", "none", None)
    assert found() == {1: by_key, 2: exit_by_key, 3: in_plan, 4: as_of, 5: alone}

    # A signal of the others' key that comes after them changes nothing; one before them does.
    late = "update ai_trading_signals set created_at = '{}Z', expires_at = null where id = 1"
    late += "; update ai_trading_signals set idempotency_key = 'c' where id = 1"
    assert found(late.format("2025-03-01 13:30")) == {
        1: in_plan, 2: alone, 3: in_plan, 4: as_of, 5: exit_by_key,
    }  # fmt: skip
    early = late.format("2025-03-01 09:00")
    keyed = {1: in_plan, 2: alone, 3: by_key, 4: by_key, 5: exit_by_key}
    assert found(early) == keyed

    # While what matches them sleeps, an order leaves its key and another comes to it.
    history.connection.execute(
        "update trading_orders set client_order_id = 'b#3' where id = 3;"
        "update trading_orders set client_order_id = 'c#2' where id = 2"
    )
    build(history, "stg_platform__trading_orders")
    keyed |= {2: exit_by_key, 3: ("plans 1", "signal_key", 2)}
    assert found() == keyed

    # The key's signal becomes another model's, then a HOLD, then none.
    other = {4: ("latest 1", "signal_key", 1), 5: ("latest 1", "signal_key", None)}
    other |= {2: other[5]}
    assert found("update ai_trading_signals set model_id = 3 where id = 1") == keyed | other
    unkeyed = keyed | {2: alone, 4: as_of, 5: alone}
    assert found("update ai_trading_signals set signal_type = 'HOLD' where id = 1") == unkeyed
    side = "update ai_trading_signals set signal_type = 'SELL' where id = 1"
    turned = {2: ("latest 1", "signal_key", 1), 4: ("latest 1", "signal_key", None)}
    assert found(side) == keyed | turned | {5: turned[2]}
    assert found("delete from ai_trading_signals where id = 1") == unkeyed


def test_a_signal_that_becomes_the_champions(history: Histories) -> None:
    """It then claims the order that came while it was valid; one of a shadow does not."""
    history.connection.execute(
        """
        delete from trading_orders;
        insert into ai_models (id, model_type, model_name, version, created_at)
        values (1, 'genetic_optimization', 'm', '1', '2025-03-01Z');
        insert into ai_models (id, model_type, model_name, version, created_at)
        values (2, 'genetic_optimization', 'm', '2', '2025-03-01Z');
        insert into ai_trading_signals (id, model_id, symbol, signal_type, confidence, created_at)
        values (1, 2, 'BTCUSD', 'BUY', 0.5, '2025-03-02Z')
        """
    )
    place_order(history, None, "BUY", 100, "2025-03-02 01:00Z", "2025-03-02 01:00Z")
    history.compare()
    claimed = "select signal_id from intermediate.int_orders_matched_as_of"
    assert history.landscape.on_replica(claimed) == []
    history.connection.execute("update ai_trading_signals set model_id = 1")
    history.compare()
    assert history.landscape.on_replica(claimed) == [(1,)]
