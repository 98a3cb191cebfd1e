select
    source_type,
    source_name,
    trading_date,
    net_profit,
    trades,
    equity,
    drawdown
from performance.source_performance_daily
where
    source_type || ': ' || source_name = any(%(sources)s::text[])
    and account = %(account)s
    and currency = %(currency)s
    and (%(first)s::date is null or trading_date >= %(first)s)
    and (%(last)s::date is null or trading_date <= %(last)s)
order by source_type, source_name, trading_date
