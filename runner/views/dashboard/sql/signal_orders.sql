select
    order_id,
    account,
    currency,
    side,
    method,
    lag_seconds,
    created_at
from performance.order_attribution
where signal_id = %(signal_id)s
order by created_at, order_id
