-- The two orders of a trade, the one that opened it first.
select
    orders.order_id,
    orders.order_id = trades.opening_order_id as is_opening,
    orders.account,
    orders.currency,
    orders.side,
    orders.source_type || ': ' || orders.source_name as source,
    orders.method,
    orders.signal_id,
    orders.lag_seconds,
    orders.created_at,
    case orders.order_id
        when trades.opening_order_id then trades.entry_at
        else trades.exit_at
    end as filled_at,
    case orders.order_id
        when trades.opening_order_id then trades.entry_price
        else trades.exit_price
    end as filled_price
from performance.trades
inner join performance.order_attribution as orders
    on orders.order_id in (trades.opening_order_id, trades.closing_order_id)
where trades.trade_id = %(trade_id)s
order by is_opening desc
