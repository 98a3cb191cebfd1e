with days as (
    {source_performance_daily}
),

closed as (
    select min(trading_date) as first_date, max(trading_date) as last_date
    from days
    where trading_date < (
        select (max(known_at) at time zone 'UTC')::date
        from (
            select max(created_at) as known_at from ai_trading_signals
            union all
            select max(opened_at) + interval '1 hour' from market_bars
            union all
            select max(coalesce(filled_at, created_at)) from trading_orders
            union all
            select (max(date) + 1)::timestamp at time zone 'UTC' from trading_stats
        ) as latest
    )
),

windows as (
    select name, coalesce(last_date - length + 1, first_date) as first_date, last_date
    from closed
    cross join (values ('all', null), ('365d', 365), ('90d', 90), ('30d', 30)) as w (name, length)
),

chosen as (
    select
        d.*, w.name,
        first_value(d.start_equity) over in_order as window_start,
        max(d.equity) over in_order as window_peak,
        last_value(d.equity) over whole as window_end
    from windows as w
    inner join days as d on d.trading_date between w.first_date and w.last_date
    window
        in_order as (partition by d.source_type, d.source_name, w.name order by d.trading_date),
        whole as (
            partition by d.source_type, d.source_name, w.name order by d.trading_date
            rows between unbounded preceding and unbounded following
        )
)

select
    s.source_type, s.source_name, w.name as window_name,
    count(c.trading_date) as days,
    coalesce(sum(c.trades), 0) as trades,
    coalesce(sum(c.net_profit), 0) as net_profit,
    sum(c.winning_trades)::double precision
    / nullif(sum(c.winning_trades + c.losing_trades), 0)::double precision as hit_rate,
    sum(c.gross_profit)::double precision
    / abs(nullif(sum(c.gross_loss), 0))::double precision as profit_factor,
    sum(c.net_profit)::double precision / nullif(sum(c.trades), 0)::double precision as expectancy,
    max(c.window_end)::double precision / max(c.window_start)::double precision - 1
        as total_return,
    avg(c.daily_return) / nullif(stddev_samp(c.daily_return), 0) * sqrt(365) as sharpe_ratio,
    avg(c.daily_return)
    / nullif(sqrt(avg(power(least(c.daily_return, 0), 2))), 0) * sqrt(365) as sortino_ratio,
    min(
        (c.equity - greatest(c.window_start, c.window_peak))::double precision
        / greatest(c.window_start, c.window_peak)::double precision
    ) as max_drawdown
from (select distinct source_type, source_name from days) as s
cross join windows as w
left join chosen as c
    on s.source_type = c.source_type and s.source_name = c.source_name and w.name = c.name
group by s.source_type, s.source_name, w.name
