-- An order belongs to the signal of its key, else of its plan, else to the latest that was valid.
with by_key as (
    select
        o.id as order_id, s.model_id,
        case when s.symbol = o.symbol and upper(s.signal_type) = upper(o.side) then s.id end
            as signal_id
    from trading_orders as o
    inner join ai_trading_signals as s
        on s.idempotency_key = btrim(split_part(o.client_order_id, '#', 1), e' \t\r\n')
        and s.created_at <= o.created_at
    where upper(s.signal_type) in ('BUY', 'SELL')
),

plan_signals as (
    select id, model_id, trade_plan_id, symbol, upper(signal_type) as side, created_at
    from ai_trading_signals
    where trade_plan_id is not null and upper(signal_type) in ('BUY', 'SELL')
),

plans as (
    select distinct on (trade_plan_id) trade_plan_id, model_id, created_at
    from plan_signals
    order by trade_plan_id, created_at, id
),

in_plan as (
    select o.id as order_id, p.model_id, s.id as signal_id
    from trading_orders as o
    inner join plans as p on o.trade_plan_id = p.trade_plan_id and o.created_at >= p.created_at
    left join lateral (
        select s.id
        from plan_signals as s
        where
            s.trade_plan_id = o.trade_plan_id and s.symbol = o.symbol
            and s.side = upper(o.side) and s.created_at <= o.created_at
        order by s.created_at desc, s.id desc
        limit 1
    ) as s on true
),

-- Every order with every signal of its symbol and side that was valid then.
as_of as (
    select distinct on (o.id) o.id as order_id, s.model_id, s.id as signal_id
    from trading_orders as o
    inner join ai_trading_signals as s
        on o.symbol = s.symbol and upper(o.side) = upper(s.signal_type)
        and s.created_at <= o.created_at
        and coalesce(s.expires_at, s.created_at + interval '1440 minutes') > o.created_at
    where o.trade_plan_id is null
    order by o.id, s.created_at desc, s.id desc
),

matched as (
    select order_id, signal_id, model_id, 'signal_key' as method from by_key
    union all
    select order_id, signal_id, model_id, 'trade_plan' from in_plan
    where order_id not in (select order_id from by_key)
    union all
    select order_id, signal_id, model_id, 'as_of' from as_of
    where order_id not in (select order_id from by_key)
)

select
    o.id as order_id,
    m.signal_id,
    o.symbol,
    upper(o.side) as side,
    case when m.order_id is null then 'traditional' else 'ai' end as source_type,
    case
        when m.order_id is not null then models.model_name || ' ' || models.version
        when o.trade_plan_id is null then 'unplanned'
        else coalesce(p.strategy, 'unknown')
    end as source_name,
    coalesce(m.method, 'none') as method,
    extract(epoch from o.created_at - s.created_at)::double precision as lag_seconds,
    o.created_at
from trading_orders as o
left join matched as m on o.id = m.order_id
left join ai_trading_signals as s on m.signal_id = s.id
left join ai_models as models on coalesce(s.model_id, m.model_id) = models.id
left join trade_plans as p on o.trade_plan_id = p.id
