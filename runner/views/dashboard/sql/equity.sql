-- Equity of the totals and of the sources that are asked for, and their fall from the highest
-- equity within the period, its start counted.
select
    source_type || ': ' || source_name as source,
    trading_date,
    net_profit,
    trades,
    equity,
    cast(equity - period_peak as double precision)
    / cast(nullif(period_peak, 0) as double precision) as drawdown
from (
    select
        *,
        max(greatest(start_equity, equity)) over (
            partition by source_type, source_name
            order by trading_date
        ) as period_peak
    from performance.source_performance_daily
    where
        is_closed
        and (source_name = any(%(sources)s) or source_name = 'all')
        and account = %(account)s
        and currency = %(currency)s
        and (%(first)s::date is null or trading_date >= %(first)s)
        and (%(last)s::date is null or trading_date <= %(last)s)
) as days
order by source_type, source_name <> 'all', source_name, trading_date
