-- Grain: a UTC day, every one from the first with a round, and an expert that had
-- joined by then; losses are those beyond the loss of silence, by the day of the
-- forecast.

{{ config(
    unique_key=['trading_date', 'expert_id'],
    meta={'follows': 'whole'},
    pre_hook="{{ avoid_nested_loops() }}"
) }}

with standings as (

    select * from {{ ref('int_ensemble_standings') }}

),

weights as (

    select * from {{ ref('int_ensemble_weights') }}

),

paths as (

    select * from {{ ref('int_ensemble_paths') }}

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
        standings.weight_date as trading_date,
        standings.expert_id,
        standings.is_deciding,
        standings.is_deciding and standings.weight_rank = 1 as is_leader,
        weights.moved_weight,
        paths.path_cost,
        paths.path_switches,
        cast(coalesce(daily_losses.excess_loss, 0) as numeric(38, 15)) as excess_loss,
        cast(
            coalesce(sum(daily_losses.excess_loss) over days_so_far, 0)
            as numeric(38, 15)
        ) as cumulative_excess_loss,
        -- The path's last expert also has the losses that were not known yet.
        paths.path_loss + coalesce(case
            when standings.is_deciding
                then
                    sum(
                        coalesce(daily_losses.excess_loss, 0) - standings.new_loss
                    ) over days_so_far
        end, 0) as path_loss
    from standings
    inner join first_rounds
        on standings.weight_date >= first_rounds.first_date
    inner join weights
        on
            standings.weight_date = weights.weight_date
            and standings.expert_number = weights.expert_number
    inner join paths
        on
            standings.weight_date = paths.weight_date
            and standings.expert_number = paths.expert_number
    left join daily_losses
        on
            standings.expert_number = daily_losses.expert_number
            and standings.weight_date = daily_losses.decided_date
            and standings.is_deciding
    window
        days_so_far as (
            partition by standings.expert_number
            order by standings.weight_date
            rows between unbounded preceding and current row
        )

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
        ) as hindsight_rank,
        row_number() over (
            partition by trading_date
            order by path_loss + path_cost asc nulls last, expert_id asc
        ) as path_rank
    from summed

)

select * from expert_days
