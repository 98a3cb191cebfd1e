-- Grain: a model version and the UTC day that ends a stretch of days whose outcomes
-- were known by then. Neighbouring outcomes overlap; those of two stretches do not.

{% set block_days = var('trial_block_days') | int(1) %}
{% set counted_days = block_days - var('trial_gap_days') | int(0) %}
{% set number = '('
    ~ days_between("cast('1970-01-01' as date)", 'decided_date') ~ ')' %}
{% set end = 'decided_date + ' ~ (block_days - 1)
    ~ ' - mod(' ~ number ~ ', ' ~ block_days ~ ')' %}

{{ config(
    unique_key=['model_id', 'health_date'],
    meta={
        'follows': {
            'int_ensemble_losses': 'expert_number / 2, ' ~ end
        }
    }
) }}

with losses as (

    select
        {{ whole_quotient('expert_number', '2') }} as model_id,
        {{ end }} as health_date,
        mod({{ number }}, {{ block_days }}) as day_of_stretch,
        resolved_date,
        forecasts,
        excess_loss,
        most_excess_loss
    from {{ followed(
        'int_ensemble_losses',
        where='stored.expert_number = 2 * affected.model_id'
            ~ ' and stored.decided_date > affected.health_date - ' ~ block_days
            ~ ' and stored.decided_date <= affected.health_date'
    ) }}
    where mod(expert_number, 2) = 0

),

int_health_loss_clusters as (

    select
        model_id,
        health_date,
        cast(sum(forecasts) as bigint) as forecasts,
        cast(sum(excess_loss) as numeric(38, 15)) as excess_loss,
        cast(sum(most_excess_loss) as numeric(38, 15)) as most_excess_loss
    from losses
    where day_of_stretch < {{ counted_days }} and resolved_date <= health_date
    group by model_id, health_date

)

select * from int_health_loss_clusters
