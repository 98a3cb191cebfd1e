-- Grain: a UTC day, every one from the first with a round; losses are cumulative.

{{ config(
    unique_key='decision_date',
    meta={'follows': 'whole'}
) }}

with daily_ensemble as (

    select * from {{ ref('int_ensemble_daily_losses') }}

),

calendar as (

    select * from {{ ref('int_ensemble_calendar') }}

),

pool_costs as (

    select * from {{ ref('int_ensemble_pool_costs') }}

),

-- The experts that decide on a day, the baseline that follows the leading one, and the
-- one with the least loss so far.
expert_losses as (

    select
        trading_date,
        count(*) filter (where is_deciding) as experts,
        coalesce(max(excess_loss) filter (where is_leader), 0) as leader_excess_loss,
        min(cumulative_excess_loss) filter (where is_deciding)
            as cumulative_excess_loss,
        max(expert_id) filter (where is_deciding and hindsight_rank = 1)
            as best_expert_id
    from {{ ref('int_ensemble_expert_days') }}
    group by trading_date

),

joined as (

    select
        days.trading_date,
        days.experts,
        first_value(days.experts) over all_days as first_experts,
        coalesce(daily_ensemble.rounds, 0) as rounds,
        days.best_expert_id,
        days.cumulative_excess_loss,
        calendar.rounds_resolved,
        coalesce(
            sum(daily_ensemble.rounds) over all_days, 0
        ) as cumulative_rounds,
        coalesce(
            sum(daily_ensemble.ensemble_loss) over all_days, 0
        ) as ensemble_loss,
        coalesce(
            sum(daily_ensemble.equal_weights_loss) over all_days, 0
        ) as equal_weights_loss,
        sum(
            0.25 * coalesce(daily_ensemble.rounds, 0) + days.leader_excess_loss
        ) over all_days as best_so_far_loss,
        coalesce(
            sum(pool_costs.pool_cost) over all_days, 0
        ) as pool_cost,
        max(daily_ensemble.resolved_at) over all_days as available_at
    from expert_losses as days
    inner join calendar
        on days.trading_date = calendar.trading_date
    left join daily_ensemble
        on days.trading_date = daily_ensemble.decided_date
    left join pool_costs
        on days.trading_date = pool_costs.trading_date
    window
        all_days as (
            order by days.trading_date
            rows between unbounded preceding and current row
        )

),

-- Before the k-th round, k - 1 rounds came; rounds_resolved of them were resolved
-- before its day began. The others are missing in its weights.
delayed as (

    select
        *,
        sum(
            rounds * (cumulative_rounds - rounds - rounds_resolved)
            + rounds * (rounds - 1) / 2
        ) over (
            order by trading_date
            rows between unbounded preceding and current row
        ) as unresolved_rounds
    from joined

),

ensemble_regret as (

    select
        trading_date as decision_date,
        experts,
        rounds,
        cast(cumulative_rounds as bigint) as cumulative_rounds,
        cast(ensemble_loss as {{ type_double() }}) as ensemble_loss,
        best_expert_id,
        cast(
            0.25 * cumulative_rounds + cumulative_excess_loss
            as {{ type_double() }}
        ) as best_expert_loss,
        cast(equal_weights_loss as {{ type_double() }}) as equal_weights_loss,
        cast(best_so_far_loss as {{ type_double() }}) as best_so_far_loss,
        cast(0.25 * cumulative_rounds as {{ type_double() }}) as silence_loss,
        cast(
            ensemble_loss - 0.25 * cumulative_rounds - cumulative_excess_loss
            as {{ type_double() }}
        ) as regret,
        cast(unresolved_rounds as bigint) as unresolved_rounds,
        cast(pool_cost as {{ type_double() }}) as pool_cost,
        cast(
            2 * ln(first_experts)
            + pool_cost
            + unresolved_rounds / 4.0
            as {{ type_double() }}
        ) as regret_bound,
        available_at
    from delayed

)

select * from ensemble_regret
