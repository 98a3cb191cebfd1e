-- Grain: a UTC day on which experts began to decide or ended, after the first round.

{{ config(
    unique_key='trading_date',
    meta={'follows': 'whole'}
) }}

with expert_days as (

    select
        *,
        coalesce(
            lag(is_deciding) over (
                partition by expert_id
                order by trading_date
            ), false
        ) as was_deciding
    from {{ ref('int_ensemble_expert_days') }}

),

changed_days as (

    select distinct trading_date
    from expert_days
    where is_deciding <> was_deciding

),

least_losses as (

    select
        trading_date,
        min(cumulative_excess_loss - excess_loss) as before_day,
        min(cumulative_excess_loss) as after_day
    from expert_days
    where is_deciding
    group by trading_date

),

-- A day's pool, before and after the losses of the day: the logarithm of the sum of
-- exp(-loss / 2) over the experts that decide.
log_weights as (

    select
        expert_days.trading_date,
        least_losses.before_day,
        least_losses.after_day,
        cast(
            0.5 * (
                least_losses.before_day
                - expert_days.cumulative_excess_loss
                + expert_days.excess_loss
            ) as {{ type_double() }}
        ) as before_weight,
        cast(
            0.5 * (least_losses.after_day - expert_days.cumulative_excess_loss)
            as {{ type_double() }}
        ) as after_weight
    from expert_days
    inner join least_losses
        on expert_days.trading_date = least_losses.trading_date
    where expert_days.is_deciding

),

pools as (

    select
        trading_date,
        ln(cast(
            {{ sum_exactly(exp_or_zero('before_weight')) }} as {{ type_double() }}
        )) - cast(0.5 * min(before_day) as {{ type_double() }}) as log_before,
        ln(cast(
            {{ sum_exactly(exp_or_zero('after_weight')) }} as {{ type_double() }}
        )) - cast(0.5 * min(after_day) as {{ type_double() }}) as log_after
    from log_weights
    group by trading_date

),

costs as (

    select
        trading_date,
        2 * (
            log_before - lag(log_after) over (order by trading_date)
        ) as pool_cost
    from pools

),

pool_costs as (

    select *
    from costs
    where
        pool_cost is not null
        and trading_date in (select changed_days.trading_date from changed_days)

)

select * from pool_costs
