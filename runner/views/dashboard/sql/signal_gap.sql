select
    currency,
    executed_trades,
    hypothetical_profit,
    size,
    not_traded,
    delay,
    price,
    exit,
    fees,
    real_profit
from performance.signal_gaps
where signal_id = %(signal_id)s
