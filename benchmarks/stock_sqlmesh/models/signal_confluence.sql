MODEL (
  name stock_sqlmesh.signal_confluence,
  kind INCREMENTAL_BY_TIME_RANGE (time_column created_at, lookback 72),
  grain signal_id,
  optimize_query false
);

/* A signal's orders come after it, so that both can be narrowed. */
WITH ai_trading_signals AS NOT MATERIALIZED (
  SELECT * FROM public.ai_trading_signals WHERE created_at BETWEEN @start_ts AND @end_ts
), trading_orders AS NOT MATERIALIZED (
  SELECT * FROM public.trading_orders WHERE created_at >= @start_ts
)
SELECT * FROM ({signal_confluence}) AS signal_confluence
