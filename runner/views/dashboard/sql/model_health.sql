with open_triggers as (
    select
        model_id,
        string_agg(reason, ', ' order by reason) as open_triggers
    from operations.retraining_triggers
    where cleared_date is null
    group by model_id
)

select
    health.model_name || ' ' || health.model_version as model,
    health.stage,
    open_triggers.open_triggers,
    health.window_signals,
    health.psi_confidence,
    health.psi_signal_mix,
    health.brier_score,
    health.reference_brier_score,
    health.expected_calibration_error,
    health.reference_expected_calibration_error,
    health.excess_loss,
    health.reference_excess_loss,
    health.rank_ic,
    health.days_since_signal,
    health.days_since_training,
    health.health_date
from operations.model_health as health
left join open_triggers on health.model_id = open_triggers.model_id
where
    health.health_date = (select max(health_date) from operations.model_health)
    and (
        %(sources)s::text[] is null
        or health.model_name || ' ' || health.model_version = any(%(sources)s)
    )
order by model
