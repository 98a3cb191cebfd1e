-- Grain: an expert and a UTC day, every one from the day on which the expert joined.

{{ config(
    unique_key=['weight_date', 'expert_id'],
    meta={
        'affected_from': 'weight_date',
        'follows': {
            'int_ensemble_standings': 'weight_date',
            'int_ensemble_weights': 'weight_date',
            'int_ensemble_experts': 'joined_date'
        }
    }
) }}

with standings as (

    select *
    from {{ followed('int_ensemble_standings') }}

),

weights as (

    select *
    from {{ followed('int_ensemble_weights') }}

),

experts as (

    select * from {{ ref('int_ensemble_experts') }}

),

expert_weights as (

    select
        standings.weight_date,
        standings.expert_id,
        experts.expert_type,
        standings.expert_name,
        experts.model_id,
        experts.joined_date,
        standings.stage,
        standings.experts,
        standings.rounds_resolved,
        standings.forecasts_resolved,
        cast(
            0.25 * standings.forecasts_resolved + standings.excess_loss
            as {{ type_double() }}
        ) as cumulative_loss,
        cast(standings.excess_loss as {{ type_double() }}) as excess_loss,
        weights.weight,
        standings.weight_rank,
        {{ utc_midnight('standings.weight_date') }} as available_at
    from standings
    inner join weights
        on
            standings.weight_date = weights.weight_date
            and standings.expert_number = weights.expert_number
    inner join experts
        on standings.expert_number = experts.expert_number

)

select * from expert_weights
