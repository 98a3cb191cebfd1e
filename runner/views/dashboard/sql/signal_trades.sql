select
    trade_id,
    account,
    currency,
    direction,
    entry_tag,
    exit_reason,
    leverage,
    quantity,
    entry_at,
    entry_price,
    exit_at,
    exit_price,
    fees,
    net_profit
from performance.trades
where signal_id = %(signal_id)s
order by exit_at, trade_id
