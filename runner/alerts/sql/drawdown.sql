-- How far below its highest equity each source is, in each account, on the last day.
select
    source_type || ' ' || source_name || ', ' || currency || ': ' || account as subject,
    - drawdown as level,
    format(
        '%s%% below its highest equity on %s', round(cast(- 100 * drawdown as numeric), 1), trading_date
    ) as text
from performance.source_performance_daily
where trading_date = (select max(trading_date) from performance.source_performance_daily)
