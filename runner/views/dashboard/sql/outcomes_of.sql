select
    signal_id,
    outcome,
    outcome_return,
    executed_net_profit,
    executed_currency
from performance.signal_outcomes
where signal_id = any(%(signal_ids)s::bigint[])
