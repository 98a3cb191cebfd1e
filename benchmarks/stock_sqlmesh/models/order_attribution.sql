MODEL (
  name stock_sqlmesh.order_attribution,
  kind INCREMENTAL_BY_TIME_RANGE (time_column created_at, lookback 72),
  grain order_id,
  optimize_query false
);

WITH trading_orders AS NOT MATERIALIZED (
  SELECT * FROM public.trading_orders WHERE created_at BETWEEN @start_ts AND @end_ts
)
SELECT * FROM ({order_attribution}) AS order_attribution
