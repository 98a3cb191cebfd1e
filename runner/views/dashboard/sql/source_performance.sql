-- A window's metrics, with wins and losses for the interval of the win rate.
select
    performance.source_type,
    performance.source_name,
    performance.window_name,
    performance.window_first_date,
    performance.window_last_date,
    performance.days,
    performance.trades,
    performance.net_profit,
    performance.total_return,
    performance.hit_rate,
    performance.profit_factor,
    performance.expectancy,
    performance.sharpe_ratio,
    performance.sortino_ratio,
    performance.calmar_ratio,
    performance.max_drawdown,
    performance.max_drawdown_by_trade,
    performance.probabilistic_sharpe,
    performance.deflated_sharpe,
    performance.longest_win_streak,
    performance.longest_loss_streak,
    performance.exposure,
    days.wins,
    days.losses
from performance.source_performance as performance
cross join lateral (
    select
        cast(sum(daily.winning_trades) as bigint) as wins,
        cast(sum(daily.losing_trades) as bigint) as losses
    from performance.source_performance_daily as daily
    where
        daily.source_type = performance.source_type
        and daily.source_name = performance.source_name
        and daily.account = performance.account
        and daily.currency = performance.currency
        and daily.trading_date
        between performance.window_first_date and performance.window_last_date
) as days
where
    performance.window_name = %(window)s
    and performance.account = %(account)s
    and performance.currency = %(currency)s
order by
    performance.source_type,
    performance.source_name <> 'all',
    performance.net_profit desc
