-- A few changes of old rows: corrections by a platform, and rows that reach it late.

update public.trade_plans
set strategy = strategy || '_renamed'
where id = (
    select p.id
    from public.trade_plans as p
    inner join public.trading_orders as o on p.id = o.trade_plan_id
    where p.strategy <> 'ai_signal'
    order by o.id
    limit 1
);

update public.micro_patterns
set signal = case upper(signal) when 'BUY' then 'SELL' else 'BUY' end
where id = (
    select pattern_id
    from public.ai_trading_signals
    where pattern_id is not null
    order by id
    limit 1
);

update public.market_bars
set low = 0.8 * low
where (symbol, timeframe, opened_at) = (
    select symbol, timeframe, opened_at + interval '12 hours'
    from public.market_bars
    order by opened_at, symbol
    limit 1
);

update public.trading_orders
set status = 'FILLED', filled_quantity = quantity, filled_at = filled_at + interval '1 minute'
where id = (
    select id from public.trading_orders where status = 'PARTIALLY_FILLED' order by id limit 1
);

delete from public.trading_orders
where id = (
    select id from public.trading_orders where status = 'FILLED' order by id offset 100 limit 1
);

delete from public.ai_trading_signals
where id = (
    select id from public.ai_trading_signals where status = 'EXECUTED' order by id limit 1
);

insert into public.ai_trading_signals (
    id, model_id, symbol, signal_type, confidence, price_target, stop_loss, take_profit, status,
    expires_at, created_at, updated_at
)
select
    id + (select max(id) from public.ai_trading_signals), model_id, symbol, signal_type, confidence,
    price_target, stop_loss, take_profit, 'EXPIRED', expires_at, created_at, updated_at
from public.ai_trading_signals
where signal_type = 'BUY'
order by id
offset 100
limit 1;
