MODEL (
  name stock_sqlmesh.signal_outcomes,
  kind INCREMENTAL_BY_TIME_RANGE (time_column created_at, lookback 72),
  grain signal_id,
  optimize_query false
);

WITH ai_trading_signals AS NOT MATERIALIZED (
  SELECT * FROM public.ai_trading_signals WHERE created_at BETWEEN @start_ts AND @end_ts
)
SELECT * FROM ({signal_outcomes}) AS signal_outcomes
