-- What each source earned in each symbol in the period, the best first.
select
    symbol,
    source_type as source,
    source_name,
    sum(trades) as trades,
    sum(net_profit) as net_profit
from performance.symbol_performance_daily
where
    currency = %(currency)s
    and %(account)s in (account, 'all')
    and source_name <> 'all'
    and (%(symbols)s::text[] is null or symbol = any(%(symbols)s))
    and (%(sources)s::text[] is null or source_name = any(%(sources)s))
    and (%(first)s::date is null or trading_date >= %(first)s)
    and (%(last)s::date is null or trading_date <= %(last)s)
group by symbol, source_type, source_name
order by net_profit desc, source_name
