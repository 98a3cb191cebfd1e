select
    signal_id,
    outcome,
    outcome_return,
    executed_net_profit
from performance.signal_outcomes
where signal_id = any(%(signal_ids)s::bigint[])
