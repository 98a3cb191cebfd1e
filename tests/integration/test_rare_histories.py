"""What random histories seldom come upon: marts from changes equal full ones all the same."""

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
    """Models that slept meet parents that are empty, older or newer than what they store."""
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

    # The calendar moves, and what is closed is told of it only later.
    history.connection.execute("delete from ai_trading_signals")
    history.connection.execute(signals.format("2025-03-03", "2025-03-03"))
    build(history, exclude=["int_windows"])
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


def test_parents_of_different_builds(history: Histories) -> None:
    """A model reads one parent that is new and another that slept, which wakes up later."""

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
        values (1, 'genetic_optimization', 'wakes', '1', '2025-02-20Z')
        """
    )
    add_bars("BTCUSD", "2025-03-01Z", "2025-03-04Z")
    add_signals("2025-03-01 01:00Z", "2025-03-03Z")
    history.compare()

    # A symbol of which the timeframes are not known yet.
    add_bars("NEWUSD", "2025-03-01Z", "2025-03-02Z")
    build(history, "stg_ai__market_bars", "int_ensemble_bars")
    history.compare()

    # Cases that were not counted yet when a signal that knows them came.
    judged = ("stg_ai__trading_signals", "int_ensemble_signals_judged", "signal_validation")
    history.connection.execute(
        "update ai_trading_signals set confidence = 0.9 where created_at < '2025-03-02Z'"
    )
    build(history, *judged)
    add_signals("2025-03-05Z", "2025-03-05Z")
    build(history, *judged)
    history.compare()

    # A close that went and returned while its forecasts slept.
    history.connection.execute(
        "update ai_trading_signals set confidence = 0.8 where created_at = '2025-03-02 03:00Z'"
    )
    build(history, "+int_ensemble_forecasts_live")
    gone = "2025-03-02 12:00Z"
    history.connection.execute(
        "delete from market_bars where symbol = 'BTCUSD' and opened_at = %s", (gone,)
    )
    build(
        history,
        *("stg_ai__market_bars", "int_ensemble_bars"),
        *("int_ensemble_losses", "int_ensemble_rounds"),
    )
    add_bars("BTCUSD", gone, gone)
    history.compare()

    # An expert that went and returned, and a close that was built without it meanwhile.
    pattern = """
        insert into micro_patterns
            (id, symbol, timeframe, pattern_type, confidence, signal, created_at)
        values (5, 'BTCUSD', '1h', 'doji', 0.5, 'SELL', '2025-03-01 23:00Z')
        """
    history.connection.execute(pattern)
    build(history)
    for model, opened_at in (
        ("int_ensemble_forecasts_live", "2025-03-02 01:00Z"),
        ("ensemble_decisions", "2025-03-02 00:00Z"),
    ):
        history.connection.execute("delete from micro_patterns where id = 5")
        history.connection.execute(
            "update market_bars set close = close + 0.01"
            " where symbol = 'BTCUSD' and opened_at = %s",
            (opened_at,),
        )
        build(
            history,
            *("stg_platform__micro_patterns", "int_ensemble_experts"),
            *("stg_ai__market_bars", "int_ensemble_bars", model),
        )
        history.connection.execute(pattern)
        build(history)
    history.compare()


def test_an_outcome_before_its_signal(history: Histories) -> None:
    """As a signal seems to have while bars have other numbers, and forecasts still the old ones."""
    bars = """
        insert into market_bars
        select symbol, '1h', opened_at, 100, 200, 1,
            100 + mod(extract(epoch from opened_at)::bigint / 3600 * 7, 13), 1
        from unnest(%s::text[]) as symbol
        cross join generate_series(%s::timestamptz, %s, '1 hour') as opened_at
        """
    history.connection.execute(
        """
        insert into ai_models (id, model_type, model_name, version, created_at)
        values (1, 'genetic_optimization', 'early', '1', '2025-03-01Z');

        insert into ai_trading_signals
            (id, model_id, symbol, signal_type, confidence, created_at)
        values
            (1, 1, 'ETHUSD', 'BUY', 0.55, '2025-03-04 23:00Z'),
            (2, 1, 'BTCUSD', 'BUY', 0.55, '2025-03-07 01:00Z');

        insert into micro_patterns
            (symbol, timeframe, pattern_type, confidence, signal, created_at)
        values ('BTCUSD', '1h', 'doji', 0.5, 'BUY', '-infinity')
        """
    )
    history.compare()
    history.connection.execute(bars, (["BTCUSD", "ETHUSD"], "2025-03-02Z", "2025-03-09Z"))
    history.compare()

    history.connection.execute(bars, (["BTCUSD"], "2025-02-27Z", "2025-03-01 23:00Z"))
    history.connection.execute("update ai_trading_signals set confidence = 0.56 where id = 1")
    build(
        history,
        *("stg_ai__market_bars", "stg_ai__trading_signals", "int_timeframes"),
        *("int_ensemble_bars", "int_ensemble_signals_judged", "signal_validation"),
    )
    history.compare()


def test_orders_that_come_to_a_plan_or_leave_it(history: Histories) -> None:
    """Matched in it already and still without it, or the other way round."""
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
    for plan, matches in (
        ("1", "int_orders_matched_in_plan"),
        ("null", "int_orders_matched_as_of"),
    ):
        history.connection.execute(
            f"update trading_orders set trade_plan_id = {plan}, filled_price = filled_price + 1"
        )
        build(history, "stg_platform__trading_orders", matches, "int_orders_attributed")
        build(history, "int_fills", "int_fills_matched_in_plan", "int_lots_closed", "trades")
        history.compare()

    # The pair is the same, the other way round.
    history.connection.execute(
        """
        update trading_orders
        set trade_plan_id = 1, filled_price = filled_price + 1,
            side = case side when 'BUY' then 'SELL'::order_side else 'BUY' end
        """
    )
    build(history, "stg_platform__trading_orders")
    build(history, "int_fills", "int_fills_matched_in_plan", "int_lots_closed", "trades")
    history.compare()

    # And once more, out of the plan and of more than the plan matched.
    history.connection.execute(
        """
        update trading_orders
        set trade_plan_id = null, filled_price = filled_price + 1,
            quantity = 2, filled_quantity = 2,
            side = case side when 'BUY' then 'SELL'::order_side else 'BUY' end
        """
    )
    build(history, "stg_platform__trading_orders")
    build(
        history,
        *("int_fills", "int_fills_left_by_plans", "int_fills_matched_in_symbol"),
        *("int_lots_closed", "trades"),
    )
    history.compare()

    # Orders that were filled less than they are still matched.
    history.connection.execute(
        "update trading_orders set quantity = 1e9, filled_quantity = 1e9, fee = 2000"
    )
    history.compare()
    history.connection.execute("update trading_orders set filled_quantity = 1e-8")
    for model in ("int_open_positions", "int_lots_closed"):
        build(history, "stg_platform__trading_orders", "int_fills", model)
        history.connection.execute("update trading_orders set fee = fee + 1")
    history.compare()
