-- Grain: a UTC day on which experts joined, after the first round.

{{ config(
    unique_key='trading_date',
    meta={'follows': 'whole'}
) }}

with expert_days as (

    select * from {{ ref('int_ensemble_expert_days') }}

),

-- The cost of experts that join later (newcomers), counted as silent until then: twice
-- the logarithm of the growth of the sum of exp(-loss / 2). If all experts joined
-- before the first round, there is no such cost, and the bound is 2 ln N.
pools as (

    select
        trading_date,
        min(cumulative_excess_loss - excess_loss) filter (
            where joined_date < trading_date
        ) as least_excess_loss,
        count(*) filter (where joined_date = trading_date) as newcomers
    from expert_days
    where
        trading_date > (select min(days.trading_date) from expert_days as days)
        and trading_date in (select joins.joined_date from expert_days as joins)
    group by trading_date

),

pool_weights as (

    select
        pools.trading_date,
        pools.newcomers,
        pools.least_excess_loss,
        cast(
            0.5 * (
                pools.least_excess_loss
                - expert_days.cumulative_excess_loss
                + expert_days.excess_loss
            ) as {{ type_double() }}
        ) as log_weight
    from pools
    inner join expert_days
        on pools.trading_date = expert_days.trading_date
    where
        pools.newcomers > 0
        and expert_days.joined_date < pools.trading_date

),

newcomer_shares as (

    select
        trading_date,
        0.5 * max(least_excess_loss) + ln(max(newcomers))
        - ln(
            cast({{ sum_exactly(exp_or_zero('log_weight')) }} as {{ type_double() }})
        ) as log_share
    from pool_weights
    group by trading_date

),

newcomer_costs as (

    select
        trading_date,
        case
            when log_share > 40 then 2 * log_share
            else 2 * ln(1 + {{ exp_or_zero('log_share') }})
        end as newcomer_cost
    from newcomer_shares

)

select * from newcomer_costs
