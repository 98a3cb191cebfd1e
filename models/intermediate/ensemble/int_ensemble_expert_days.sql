-- Grain: a UTC day, every one from the first with a round, and an expert that had
-- joined by then; losses are those beyond the loss of silence, by the day of the
-- forecast.

{{ config(
    unique_key=['trading_date', 'expert_id'],
    meta={'follows': 'whole'},
    pre_hook="{{ avoid_nested_loops() }}"
) }}

with weights as (

    select * from {{ ref('int_ensemble_weights') }}

),

first_rounds as (

    select min(decided_date) as first_date
    from {{ ref('int_ensemble_daily_losses') }}

),

daily_losses as (

    select
        expert_number,
        decided_date,
        sum(excess_loss) as excess_loss
    from {{ ref('int_ensemble_losses') }}
    group by expert_number, decided_date

),

summed as (

    select
        weights.weight_date as trading_date,
        weights.expert_id,
        weights.is_deciding,
        weights.is_deciding and weights.weight_rank = 1 as is_leader,
        cast(coalesce(daily_losses.excess_loss, 0) as numeric(38, 15)) as excess_loss,
        cast(
            coalesce(
                sum(daily_losses.excess_loss) over (
                    partition by weights.expert_number
                    order by weights.weight_date
                    rows between unbounded preceding and current row
                ),
                0
            ) as numeric(38, 15)
        ) as cumulative_excess_loss
    from weights
    inner join first_rounds
        on weights.weight_date >= first_rounds.first_date
    left join daily_losses
        on
            weights.expert_number = daily_losses.expert_number
            and weights.weight_date = daily_losses.decided_date

),

expert_days as (

    select
        *,
        row_number() over (
            partition by trading_date
            order by
                case when is_deciding then 0 else 1 end,
                cumulative_excess_loss,
                expert_id
        ) as hindsight_rank
    from summed

)

select * from expert_days
