select
    symbol,
    source_type,
    count(*) as trades,
    count(*) filter (where result = 'WIN') as wins,
    count(*) filter (where result = 'LOSS') as losses,
    sum(fees) as fees,
    sum(net_profit) as net_profit
from performance.trades
where
    currency = %(currency)s
    and %(account)s in (account, 'all')
    and (%(symbols)s::text[] is null or symbol = any(%(symbols)s))
    and (%(models)s::text[] is null or source_name = any(%(models)s))
    and (%(first)s::timestamptz is null or exit_at >= %(first)s)
    and (%(last)s::timestamptz is null or exit_at < %(last)s)
group by symbol, source_type
order by net_profit desc
