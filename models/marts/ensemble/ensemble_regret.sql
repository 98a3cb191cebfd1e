-- Grain: a UTC day, every one from the first with a round; losses are cumulative.

{{ config(
    unique_key='decision_date',
    meta={'follows': 'whole'},
    pre_hook="{{ avoid_nested_loops() }}"
) }}

with daily_ensemble as (

    select * from {{ ref('int_ensemble_daily_losses') }}

),

weights as (

    select * from {{ ref('int_ensemble_weights') }}

),

experts as (

    select * from {{ ref('int_ensemble_experts') }}

),

calendar as (

    select * from {{ ref('int_ensemble_calendar') }}

),

losses as (

    select * from {{ ref('int_ensemble_losses') }}

),

first_rounds as (

    select min(decided_date) as first_date
    from daily_ensemble

),

-- The days from the first round on, with the weights' own count of what was resolved
-- before each of them, and the expert that led when the day began.
days as (

    select
        calendar.trading_date,
        weights.experts,
        weights.rounds_resolved,
        weights.expert_id as leader_id
    from calendar
    inner join first_rounds
        on calendar.trading_date >= first_rounds.first_date
    inner join weights
        on
            calendar.trading_date = weights.weight_date
            and weights.weight_rank = 1

),

daily_losses as (

    select
        expert_number,
        decided_date,
        sum(excess_loss) as excess_loss
    from losses
    group by expert_number, decided_date

),

-- Every expert's loss in excess of silence, by the day of the forecast.
expert_days as (

    select
        days.trading_date,
        experts.expert_id,
        experts.joined_date,
        experts.expert_id = days.leader_id as is_leader,
        coalesce(daily_losses.excess_loss, 0) as excess_loss,
        sum(coalesce(daily_losses.excess_loss, 0)) over (
            partition by experts.expert_number
            order by days.trading_date
            rows between unbounded preceding and current row
        ) as cumulative_excess_loss
    from days
    inner join experts
        on days.trading_date >= experts.joined_date
    left join daily_losses
        on
            experts.expert_number = daily_losses.expert_number
            and days.trading_date = daily_losses.decided_date

),

-- The baseline that follows the leaders, and the least that an expert lost so far.
day_losses as (

    select
        trading_date,
        max(excess_loss) filter (where is_leader) as leader_excess_loss,
        min(cumulative_excess_loss) as cumulative_excess_loss
    from expert_days
    group by trading_date

),

best_experts as (

    select
        day_losses.trading_date,
        min(expert_days.expert_id) as expert_id
    from day_losses
    inner join expert_days
        on
            day_losses.trading_date = expert_days.trading_date
            and day_losses.cumulative_excess_loss = expert_days.cumulative_excess_loss
    group by day_losses.trading_date

),

-- What it costs to let newcomers in, who enter as if they had been silent: twice the
-- logarithm of the growth of the sum of exp(-loss / 2). Where all joined before the
-- first round there is none, and the bound is 2 ln N.
pools as (

    select
        expert_days.trading_date,
        min(
            expert_days.cumulative_excess_loss - expert_days.excess_loss
        ) filter (where expert_days.joined_date < expert_days.trading_date)
            as least_excess_loss,
        count(*) filter (
            where expert_days.joined_date = expert_days.trading_date
        ) as newcomers
    from expert_days
    inner join first_rounds
        on expert_days.trading_date > first_rounds.first_date
    where expert_days.trading_date in (select experts.joined_date from experts)
    group by expert_days.trading_date

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

),

joined as (

    select
        days.trading_date,
        days.experts,
        first_value(days.experts) over all_days as first_experts,
        coalesce(daily_ensemble.rounds, 0) as rounds,
        best_experts.expert_id as best_expert_id,
        day_losses.cumulative_excess_loss,
        days.rounds_resolved,
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
            0.25 * coalesce(daily_ensemble.rounds, 0) + day_losses.leader_excess_loss
        ) over all_days as best_so_far_loss,
        coalesce(
            sum(newcomer_costs.newcomer_cost) over all_days, 0
        ) as newcomer_cost,
        max(daily_ensemble.resolved_at) over all_days as available_at
    from days
    inner join day_losses
        on days.trading_date = day_losses.trading_date
    inner join best_experts
        on days.trading_date = best_experts.trading_date
    left join daily_ensemble
        on days.trading_date = daily_ensemble.decided_date
    left join newcomer_costs
        on days.trading_date = newcomer_costs.trading_date
    window
        all_days as (
            order by days.trading_date
            rows between unbounded preceding and current row
        )

),

-- Before the k-th round, k - 1 came; of them, rounds_resolved were resolved before its
-- day began. The rest is missing in its weights.
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
        cast(newcomer_cost as {{ type_double() }}) as newcomer_cost,
        cast(
            2 * ln(first_experts)
            + newcomer_cost
            + unresolved_rounds / 4.0
            as {{ type_double() }}
        ) as regret_bound,
        available_at
    from delayed

)

select * from ensemble_regret
