-- Grain: an expert and a UTC day, every one from the day on which the expert joined.

{{ config(
    unique_key=['weight_date', 'expert_id'],
    meta={
        'affected_from': 'weight_date',
        'follows': {
            'int_ensemble_weights': 'weight_date',
            'int_ensemble_experts': 'joined_date'
        }
    }
) }}

with weights as (

    select *
    from {{ followed('int_ensemble_weights') }}

),

experts as (

    select * from {{ ref('int_ensemble_experts') }}

),

expert_weights as (

    select
        weights.weight_date,
        weights.expert_id,
        experts.expert_type,
        weights.expert_name,
        experts.model_id,
        experts.joined_date,
        weights.stage,
        weights.experts,
        weights.rounds_resolved,
        weights.forecasts_resolved,
        cast(
            0.25 * weights.rounds_resolved + weights.excess_loss
            as {{ type_double() }}
        ) as cumulative_loss,
        cast(weights.excess_loss as {{ type_double() }}) as excess_loss,
        weights.weight,
        weights.weight_rank,
        {{ utc_midnight('weights.weight_date') }} as available_at
    from weights
    inner join experts
        on weights.expert_number = experts.expert_number

)

select * from expert_weights
