-- Trades closed in the period, by symbol and type of source.
with sums as (
    select
        symbol,
        source_type as source,
        count(*) as trades,
        count(*) filter (where result = 'WIN') as wins,
        count(*) filter (where result = 'LOSS') as losses,
        cast(sum(greatest(net_profit, 0)) as double precision) as gross_profit,
        cast(-sum(least(net_profit, 0)) as double precision) as gross_loss,
        cast(avg(net_profit) filter (where result = 'WIN') as double precision) as average_win,
        cast(avg(net_profit) filter (where result = 'LOSS') as double precision) as average_loss,
        sum(fees) as fees,
        sum(net_profit) as net_profit,
        max(exit_at) as last_closed_at
    from performance.trades
    where
        currency = %(currency)s
        and %(account)s in (account, 'all')
        and (%(symbols)s::text[] is null or symbol = any(%(symbols)s))
        and (%(sources)s::text[] is null or source_name = any(%(sources)s))
        and (%(first_at)s::timestamptz is null or exit_at >= %(first_at)s)
        and (%(end_at)s::timestamptz is null or exit_at < %(end_at)s)
    group by symbol, source_type
)

select
    *,
    cast(wins as double precision) / nullif(wins + losses, 0) as hit_rate,
    gross_profit / nullif(gross_loss, 0) as profit_factor,
    cast(net_profit as double precision) / nullif(trades, 0) as expectancy
from sums
order by net_profit desc, symbol, source
