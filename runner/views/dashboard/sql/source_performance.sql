-- Each source in a period of closed days: sums and rates of its days, and for a whole window the
-- ratios of its mart. Totals come whatever sources are asked for.
with days as (
    select
        *,
        max(greatest(start_equity, equity)) over (
            partition by source_type, source_name
            order by trading_date
        ) as period_peak
    from performance.source_performance_daily
    where
        is_closed
        and account = %(account)s
        and currency = %(currency)s
        and (%(first)s::date is null or trading_date >= %(first)s)
        and (%(last)s::date is null or trading_date <= %(last)s)
        and (
            %(sources)s::text[] is null
            or source_name = any(%(sources)s)
            or source_name = 'all'
        )
),

sums as (
    select
        source_type,
        source_name,
        min(trading_date) as first_date,
        max(trading_date) as last_date,
        count(*) as days,
        cast(sum(trades) as bigint) as trades,
        cast(sum(winning_trades) as bigint) as wins,
        cast(sum(losing_trades) as bigint) as losses,
        sum(net_profit) as net_profit,
        cast(sum(gross_profit) as double precision) as gross_profit,
        cast(-sum(gross_loss) as double precision) as gross_loss,
        cast((array_agg(start_equity order by trading_date))[1] as double precision)
            as start_equity,
        cast((array_agg(equity order by trading_date desc))[1] as double precision)
            as end_equity,
        min(
            cast(equity - period_peak as double precision)
            / cast(nullif(period_peak, 0) as double precision)
        ) as max_drawdown,
        count(*) filter (where has_open_position) as exposed_days
    from days
    group by source_type, source_name
)

select
    sums.source_type,
    sums.source_name,
    sums.source_type || ': ' || sums.source_name as source,
    sums.first_date,
    sums.last_date,
    sums.days,
    sums.trades,
    sums.wins,
    sums.losses,
    sums.net_profit,
    case when sums.start_equity > 0 then sums.end_equity / sums.start_equity - 1 end
        as total_return,
    cast(sums.wins as double precision) / nullif(sums.wins + sums.losses, 0) as hit_rate,
    sums.gross_loss * sums.wins
    / nullif(sums.gross_loss * sums.wins + sums.gross_profit * sums.losses, 0)
        as break_even_hit_rate,
    sums.gross_profit / nullif(sums.gross_loss, 0) as profit_factor,
    cast(sums.net_profit as double precision) / nullif(sums.trades, 0) as expectancy,
    case when sums.start_equity > 0 then sums.max_drawdown end as max_drawdown,
    cast(sums.exposed_days as double precision) / sums.days as exposure,
    ratios.sharpe_ratio,
    ratios.probabilistic_sharpe,
    ratios.deflated_sharpe,
    ratios.sortino_ratio,
    ratios.calmar_ratio,
    ratios.max_drawdown_by_trade,
    ratios.longest_win_streak,
    ratios.longest_loss_streak
from sums
left join performance.source_performance as ratios
    on
        sums.source_type = ratios.source_type
        and sums.source_name = ratios.source_name
        and ratios.account = %(account)s
        and ratios.currency = %(currency)s
        and ratios.window_name = %(window)s
order by sums.source_type, sums.source_name <> 'all', sums.net_profit desc
