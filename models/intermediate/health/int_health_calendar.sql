-- Grain: a model version and a UTC day, every one from its registration or first signal
-- to the last closed day.

{{ config(
    unique_key=['model_id', 'health_date'],
    meta={'follows': 'whole'}
) }}

with experts as (

    select
        model_id,
        {{ utc_date('available_at') }} as first_date
    from {{ ref('int_ensemble_experts') }}
    where expert_type = 'model'

),

-- A day is closed once a row after it is known: a model that falls silent is seen by
-- the prices that still come.
closed_days as (

    select max(last_date) as last_date
    from {{ ref('int_windows') }}

    union all

    select max(trading_date) - 1 as last_date
    from {{ ref('int_ensemble_calendar') }}

),

bounds as (

    select
        (select min(experts.first_date) from experts) as first_date,
        max(closed_days.last_date) as last_date
    from closed_days

),

days as (

    {{ calendar_days('bounds', 'first_date', 'last_date') }}

),

stages as (

    {{ stage_spans() }}

),

int_health_calendar as (

    select
        experts.model_id,
        days.trading_date as health_date,
        stages.stage
    from experts
    inner join days
        on experts.first_date <= days.trading_date
    left join stages
        on
            {{ is_in_span(
                'experts.model_id', 'days.trading_date', 'stages', 'date'
            ) | indent(12) }}

)

select * from int_health_calendar
