MODEL (
  name stock_sqlmesh.trades,
  kind FULL,
  optimize_query false
);

/* Matched first in, first out, trades need all orders. */
SELECT * FROM ({trades}) AS trades
