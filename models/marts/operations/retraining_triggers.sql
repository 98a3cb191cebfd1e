-- Grain: an alarm that a model version should be retrained. Times are UTC.

with days as (

    select * from {{ ref('int_trigger_days') }}

),

models as (

    select * from {{ ref('stg_ai__models') }}

),

cleared as (

    select
        model_id,
        reason,
        alarm_date,
        health_date as cleared_date
    from days
    where is_cleared

),

retraining_triggers as (

    select
        days.model_id,
        models.model_name,
        models.model_version,
        days.reason,
        days.first_breach_date,
        days.health_date as alarm_date,
        cleared.cleared_date,
        days.figure,
        days.standard_error,
        days.threshold,
        days.n,
        days.days,
        days.reference_first_date,
        days.reference_last_date,
        {{ utc_midnight('days.health_date + 1') }} as available_at
    from days
    inner join models
        on days.model_id = models.model_id
    left join cleared
        on
            days.model_id = cleared.model_id
            and days.reason = cleared.reason
            and days.alarm_date = cleared.alarm_date
    where days.is_alarm

)

select * from retraining_triggers
