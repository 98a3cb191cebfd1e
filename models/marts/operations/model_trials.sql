-- Grain: a version in shadow beside a champion of its name. Times are UTC.

with trials as (

    select * from {{ ref('int_trials') }}

),

models as (

    select * from {{ ref('stg_ai__models') }}

),

closes as (

    select max(trading_date) as last_date
    from {{ ref('int_ensemble_calendar') }}

),

clusters as (

    select
        *,
        sum(challenger_forecasts) over so_far as outcomes,
        row_number() over (
            partition by challenger_stage_id, champion_stage_id
            order by block_number desc
        ) as clusters_after
    from {{ ref('int_trial_clusters') }}
    window
        so_far as (
            partition by challenger_stage_id, champion_stage_id
            order by block_number
            rows between unbounded preceding and current row
        )

),

summed as (

    select
        challenger_stage_id,
        champion_stage_id,
        count(*) as clusters,
        sum(challenger_forecasts) as challenger_outcomes,
        sum(champion_forecasts) as champion_outcomes,
        cast(
            sum(loss_difference) / nullif(sum(challenger_forecasts), 0)
            as {{ type_double() }}
        ) as loss_difference,
        max(e_value) filter (where clusters_after = 1) as e_value,
        max(e_value) as highest_e_value,
        min(end_date) filter (
            where
            e_value >= 1 / {{ var('trial_level') }}
            and outcomes >= {{ var('trial_min_outcomes') }}
        ) as proven_date
    from clusters
    group by challenger_stage_id, champion_stage_id

),

model_trials as (

    select
        trials.challenger_stage_id,
        trials.champion_stage_id,
        trials.model_name,
        trials.challenger_id,
        challengers.model_version as challenger_version,
        trials.champion_id,
        champions.model_version as champion_version,
        trials.started_at,
        trials.ended_at,
        trials.first_date,
        trials.first_date + {{ var('trial_days') }} as deadline_date,
        coalesce(summed.clusters, 0) as clusters,
        cast(coalesce(summed.challenger_outcomes, 0) as bigint) as challenger_outcomes,
        cast(coalesce(summed.champion_outcomes, 0) as bigint) as champion_outcomes,
        summed.loss_difference,
        coalesce(summed.e_value, 1) as e_value,
        coalesce(summed.highest_e_value, 1) as highest_e_value,
        summed.proven_date,
        cast(
            case
                when trials.ended_at is not null then 'ended'
                when summed.proven_date is not null then 'better'
                when closes.last_date >= trials.first_date + {{ var('trial_days') }}
                    then 'unproven'
                else 'running'
            end as {{ dbt.type_string() }}
        ) as verdict,
        {{ utc_midnight('closes.last_date') }} as available_at
    from trials
    cross join closes
    inner join models as challengers
        on trials.challenger_id = challengers.model_id
    inner join models as champions
        on trials.champion_id = champions.model_id
    left join summed
        on
            trials.challenger_stage_id = summed.challenger_stage_id
            and trials.champion_stage_id = summed.champion_stage_id

)

select * from model_trials
