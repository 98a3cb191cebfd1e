-- Realized P&L of each day on which a trade was closed.
select
    trading_date,
    cast(sum(trades) as bigint) as trades,
    cast(sum(winning_trades) as bigint) as wins,
    cast(sum(losing_trades) as bigint) as losses,
    sum(net_profit) as net_profit,
    sum(fees) as fees
from performance.symbol_performance_daily
where
    currency = %(currency)s
    and %(account)s in (account, 'all')
    and (%(symbols)s::text[] is null or symbol = any(%(symbols)s))
    and (%(sources)s::text[] is null or source_name = any(%(sources)s))
    and (%(first)s::date is null or trading_date >= %(first)s)
    and (%(last)s::date is null or trading_date <= %(last)s)
group by trading_date
order by trading_date
