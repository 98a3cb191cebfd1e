-- Outcomes of a period's BUY and SELL signals, and what their trades made, by what their pattern
-- said.
select
    confluence.relation,
    count(*) as signals,
    count(outcomes.is_win) as resolved,
    count(*) filter (where outcomes.is_win) as wins,
    avg(outcomes.outcome_return) as mean_return,
    cast(
        sum(outcomes.executed_trades) filter (where outcomes.executed_currency = %(currency)s)
        as bigint
    ) as trades,
    sum(outcomes.executed_net_profit) filter (where outcomes.executed_currency = %(currency)s)
        as net_profit
from performance.signal_outcomes as outcomes
inner join ensemble.signal_confluence as confluence
    on outcomes.signal_id = confluence.signal_id
where
    outcomes.signal_type <> 'HOLD'
    and (%(first_at)s::timestamptz is null or outcomes.created_at >= %(first_at)s)
    and (%(end_at)s::timestamptz is null or outcomes.created_at < %(end_at)s)
    and (%(symbols)s::text[] is null or outcomes.symbol = any(%(symbols)s))
    and (
        %(sources)s::text[] is null
        or outcomes.model_name || ' ' || outcomes.model_version = any(%(sources)s)
    )
group by confluence.relation
