-- Grain: a model version and a UTC day on which a training record of it was known.

{% set follows = {} %}
{% for run_kind, steps, number, value in training_kinds() %}
    {% do follows.update({steps: 'model_id, ' ~ utc_date('available_at')}) %}
{% endfor %}

{{ config(
    unique_key=['model_id', 'health_date'],
    meta={'follows': follows}
) }}

with records as (

    {% for run_kind, steps, number, value in training_kinds() %}
        select
            model_id,
            {{ utc_date('available_at') }} as health_date
        from {{ followed(
            steps,
            where='stored.model_id = affected.model_id and '
                ~ is_on_date('stored.available_at', 'affected.health_date')
        ) }}
        {{ 'union all' if not loop.last }}
    {% endfor %}

),

int_health_training_days as (

    select
        model_id,
        health_date,
        count(*) as records
    from records
    group by model_id, health_date

)

select * from int_health_training_days
