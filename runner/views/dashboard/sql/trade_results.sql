-- Trades closed in the period: what they won and lost, also in multiples of what they risked.
with sums as (
    select
        count(*) as trades,
        count(*) filter (where result = 'WIN') as wins,
        count(*) filter (where result = 'LOSS') as losses,
        sum(net_profit) filter (where result = 'WIN') as won_profit,
        sum(net_profit) filter (where result = 'LOSS') as lost_profit,
        sum(net_profit) as net_profit,
        cast(min(net_profit) as double precision) as lowest_profit,
        cast(max(net_profit) as double precision) as highest_profit,
        cast(stddev_pop(net_profit) as double precision) as profit_deviation,
        count(r_multiple) as r_trades,
        avg(r_multiple) as mean_r,
        min(r_multiple) as lowest_r,
        max(r_multiple) as highest_r,
        stddev_pop(r_multiple) as r_deviation,
        cast(extract(epoch from avg(exit_at - entry_at)) as double precision)
            as mean_held_seconds
    from performance.trades
    where
        currency = %(currency)s
        and %(account)s in (account, 'all')
        and (%(symbols)s::text[] is null or symbol = any(%(symbols)s))
        and (%(sources)s::text[] is null or source_name = any(%(sources)s))
        and (%(first_at)s::timestamptz is null or exit_at >= %(first_at)s)
        and (%(end_at)s::timestamptz is null or exit_at < %(end_at)s)
),

averages as (
    select
        *,
        cast(won_profit as double precision) / nullif(wins, 0) as average_win,
        cast(lost_profit as double precision) / nullif(losses, 0) as average_loss,
        cast(net_profit as double precision) / nullif(trades, 0) as expectancy
    from sums
    where trades > 0
)

select
    *,
    cast(wins as double precision) / nullif(wins + losses, 0) as hit_rate,
    average_win / abs(average_loss) as payoff_ratio
from averages
