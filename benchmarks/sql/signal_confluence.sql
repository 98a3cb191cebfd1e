with orders as (
    {order_attribution}
)

select
    s.id as signal_id,
    s.model_id,
    s.confidence,
    p.id as pattern_id,
    p.confidence as pattern_confidence,
    case
        when p.id is null then 'no_pattern'
        when upper(s.signal_type) not in ('BUY', 'SELL') then 'neutral'
        when upper(s.signal_type) = upper(p.signal) then 'confirm'
        when upper(p.signal) in ('BUY', 'SELL') then 'contradict'
        else 'neutral'
    end as relation,
    s.trade_plan_id,
    t.strategy as plan_strategy,
    t.entry_price_target as plan_entry_price,
    t.stop_loss_price as plan_stop_loss_price,
    t.take_profit_1_price as plan_take_profit_price,
    coalesce(o.order_count, 0) as order_count,
    o.last_order_id,
    last.status as last_order_status,
    last.created_at as last_order_at,
    coalesce(o.filled_quantity, 0) as filled_quantity,
    s.created_at
from ai_trading_signals as s
left join ai_models as m on s.model_id = m.id
left join micro_patterns as p on s.pattern_id = p.id and s.created_at >= p.created_at
left join trade_plans as t on s.trade_plan_id = t.id
left join (
    select
        o.signal_id,
        count(*) as order_count,
        sum(coalesce(raw.filled_quantity, 0)) as filled_quantity,
        (array_agg(raw.id order by raw.created_at desc, raw.id desc))[1] as last_order_id
    from orders as o
    inner join trading_orders as raw on o.order_id = raw.id
    where o.signal_id is not null
    group by o.signal_id
) as o on s.id = o.signal_id
left join trading_orders as last on o.last_order_id = last.id
