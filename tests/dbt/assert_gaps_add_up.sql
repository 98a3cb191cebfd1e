-- A gap lies between the hypothetical profit, which is the signal's outcome_return on
-- the stake, and the profit that was executed.

with signal_gaps as (

    select * from {{ ref('signal_gaps') }}

),

signal_outcomes as (

    select * from {{ ref('signal_outcomes') }}

)

select
    signal_outcomes.signal_id,
    signal_gaps.hypothetical_profit,
    signal_outcomes.outcome_return,
    signal_gaps.real_profit,
    signal_outcomes.executed_net_profit
from signal_gaps
left join signal_outcomes
    on signal_gaps.signal_id = signal_outcomes.signal_id
where
    signal_gaps.hypothetical_profit is not null
    and (
        signal_outcomes.outcome is distinct from signal_gaps.outcome
        or signal_gaps.executed_trades <> signal_outcomes.executed_trades
        or signal_gaps.real_profit
        <> coalesce(signal_outcomes.executed_net_profit, 0)
        or abs(
            cast(signal_gaps.hypothetical_profit as {{ type_double() }})
            - {{ var('signal_stake') }} * signal_outcomes.outcome_return
        ) > 1e-9 * {{ var('signal_stake') }} * (1 + abs(signal_outcomes.outcome_return))
    )
