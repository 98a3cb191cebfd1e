with orders as (
    {order_attribution}
),

trades as (
    {trades}
),

days as (
    {trading_days}
),

seen as (
    select 'ai' as source_type, model_name || ' ' || version as source_name, created_at
    from ai_models
    union all
    select 'ai', m.model_name || ' ' || m.version, s.created_at
    from ai_trading_signals as s
    inner join ai_models as m on s.model_id = m.id
    union all
    select source_type, source_name, created_at from orders
),

sources as (
    select
        source_type, source_name,
        (min(created_at) at time zone 'UTC')::date as first_date
    from (select * from seen union all select source_type, 'all', created_at from seen) as named
    group by source_type, source_name
),

daily as (
    select
        source_type, source_name, (exit_at at time zone 'UTC')::date as day, count(*) as trades,
        count(*) filter (where result = 'WIN') as winning_trades,
        count(*) filter (where result = 'LOSS') as losing_trades,
        sum(net_profit) as net_profit,
        coalesce(sum(net_profit) filter (where net_profit > 0), 0) as gross_profit,
        coalesce(sum(net_profit) filter (where net_profit < 0), 0) as gross_loss
    from (
        select source_type, source_name, exit_at, net_profit, result from trades
        union all
        select source_type, 'all', exit_at, net_profit, result from trades
    ) as named
    group by 1, 2, 3
),

running as (
    select
        s.source_type, s.source_name, d.trading_date,
        coalesce(t.trades, 0) as trades,
        coalesce(t.winning_trades, 0) as winning_trades,
        coalesce(t.losing_trades, 0) as losing_trades,
        coalesce(t.net_profit, 0) as net_profit,
        coalesce(t.gross_profit, 0) as gross_profit,
        coalesce(t.gross_loss, 0) as gross_loss,
        100000 + coalesce(sum(t.net_profit) over past, 0) as equity
    from sources as s
    inner join days as d on s.first_date <= d.trading_date
    left join daily as t
        on s.source_type = t.source_type and s.source_name = t.source_name
        and d.trading_date = t.day
    window past as (partition by s.source_type, s.source_name order by d.trading_date)
)

select
    *,
    equity - net_profit as start_equity,
    net_profit::double precision / nullif(greatest(equity - net_profit, 0), 0)::double precision
        as daily_return,
    (equity - greatest(100000, max(equity) over past))::double precision
    / greatest(100000, max(equity) over past)::double precision as drawdown
from running
window past as (partition by source_type, source_name order by trading_date)
