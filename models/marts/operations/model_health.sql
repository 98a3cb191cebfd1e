-- Grain: a model version and a UTC day. Times are UTC.

with health as (

    select * from {{ ref('int_model_health') }}

),

models as (

    select * from {{ ref('stg_ai__models') }}

),

model_health as (

    select
        health.model_id,
        models.model_name,
        models.model_version,
        health.health_date,
        health.stage,
        health.signals,
        health.resolved,
        health.window_signals,
        health.window_resolved,
        health.window_forecasts,
        health.reference_first_date,
        health.reference_last_date,
        health.psi_confidence,
        health.psi_signal_mix,
        health.brier_score,
        health.reference_brier_score,
        health.expected_calibration_error,
        health.reference_expected_calibration_error,
        health.excess_loss,
        health.reference_excess_loss,
        health.rank_ic,
        health.rank_ic_lower,
        health.rank_ic_upper,
        health.rank_ic_over,
        health.rank_ic_days,
        {{ days_between(
            'health.last_signal_date', 'health.health_date'
        ) }} as days_since_signal,
        {{ days_between(
            'health.last_training_date', 'health.health_date'
        ) }} as days_since_training,
        {{ utc_midnight('health.health_date + 1') }} as available_at
    from health
    inner join models
        on health.model_id = models.model_id

)

select * from model_health
