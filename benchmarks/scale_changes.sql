-- Changes of the newest rows, as a platform makes them: signals end, orders are filled on, bars and
-- statistics are corrected. "scale" has the number of rows of each kind.

update public.ai_trading_signals
set status = 'EXPIRED', updated_at = updated_at + interval '1 hour'
where id > (select last_signal_id - changed_signals from scale) and status <> 'EXECUTED';

update public.trading_orders
set
    status = 'FILLED',
    filled_quantity = quantity,
    filled_price = coalesce(filled_price, price),
    fee = round(quantity * coalesce(filled_price, price) * 0.0005, 8),
    filled_at = coalesce(filled_at, created_at) + interval '1 minute'
where
    id > (select last_order_id - 10 * changed_orders from scale)
    and status = 'PARTIALLY_FILLED';

update public.market_bars
set volume = volume + 1, high = high * 1.001
where opened_at >= (
    select started_at - greatest(changed_bars / symbols, 1) * interval '1 hour' from scale
);

update public.trading_stats
set net_profit = net_profit - 12.5
where id = (select max(id) from public.trading_stats);
