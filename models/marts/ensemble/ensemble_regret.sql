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

-- The experts that decide on a day, the baseline that follows the leading one, the one
-- with the least loss so far, and the best path.
expert_losses as (

    select
        trading_date,
        count(*) filter (where is_deciding) as experts,
        coalesce(max(excess_loss) filter (where is_leader), 0) as leader_excess_loss,
        min(cumulative_excess_loss) filter (where is_deciding)
            as cumulative_excess_loss,
        max(expert_id) filter (where is_deciding and hindsight_rank = 1)
            as best_expert_id,
        max(path_loss) filter (where path_rank = 1) as path_loss,
        max(path_cost) filter (where path_rank = 1) as path_cost,
        max(path_switches) filter (where path_rank = 1) as path_switches,
        max(moved_weight) as moved_weight
    from {{ ref('int_ensemble_expert_days') }}
    group by trading_date

),

joined as (

    select
        days.trading_date,
        days.experts,
        coalesce(daily_ensemble.rounds, 0) as rounds,
        days.best_expert_id,
        days.cumulative_excess_loss,
        days.path_loss,
        days.path_cost,
        days.path_switches,
        days.moved_weight,
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
        max(daily_ensemble.resolved_at) over all_days as available_at
    from expert_losses as days
    inner join calendar
        on days.trading_date = calendar.trading_date
    left join daily_ensemble
        on days.trading_date = daily_ensemble.decided_date
    window
        all_days as (
            order by days.trading_date
            rows between unbounded preceding and current row
        )

),

-- Before the k-th round, k - 1 rounds came; rounds_resolved of them were resolved
-- before its day began. The others are missing in its weights.
waiting as (

    select
        *,
        cumulative_rounds - rounds - rounds_resolved as waiting_rounds
    from joined

),

delayed as (

    select
        *,
        sum(rounds * waiting_rounds + rounds * (rounds - 1) / 2) over days_so_far
            as unresolved_rounds,
        sum(moved_weight * waiting_rounds) over days_so_far as moved_rounds
    from waiting
    window
        days_so_far as (
            order by trading_date
            rows between unbounded preceding and current row
        )

),

compared as (

    select
        *,
        cast(0.25 * cumulative_rounds as {{ type_double() }}) as silence_loss,
        cast(
            0.25 * cumulative_rounds + cumulative_excess_loss
            as {{ type_double() }}
        ) as best_expert_loss,
        0.25 * cumulative_rounds + path_loss as best_sequence_loss,
        path_cost + unresolved_rounds / 4.0 + 2 * moved_rounds as sequence_bound
    from delayed

),

ensemble_regret as (

    select
        trading_date as decision_date,
        experts,
        rounds,
        cast(cumulative_rounds as bigint) as cumulative_rounds,
        cast(ensemble_loss as {{ type_double() }}) as ensemble_loss,
        best_expert_id,
        best_expert_loss,
        best_sequence_loss,
        path_switches as best_sequence_switches,
        cast(equal_weights_loss as {{ type_double() }}) as equal_weights_loss,
        cast(best_so_far_loss as {{ type_double() }}) as best_so_far_loss,
        silence_loss,
        ensemble_loss - best_expert_loss as regret,
        best_sequence_loss - best_expert_loss + sequence_bound as regret_bound,
        ensemble_loss - best_sequence_loss as sequence_regret,
        sequence_bound,
        cast(unresolved_rounds as bigint) as unresolved_rounds,
        moved_rounds,
        available_at
    from compared

)

select * from ensemble_regret
