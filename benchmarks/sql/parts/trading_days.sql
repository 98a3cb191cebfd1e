select generate_series(min(day), max(day), '1 day')::date as trading_date
from (
    select (created_at at time zone 'UTC')::date as day from ai_trading_signals
    union
    select (exit_at at time zone 'UTC')::date from trades
    union
    select date from trading_stats
) as active
