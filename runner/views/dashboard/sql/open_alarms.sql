-- Alarms of models that are not cleared, the oldest first.
select
    model_name || ' ' || model_version as model,
    reason,
    first_breach_date
from operations.retraining_triggers
where
    cleared_date is null
    and (
        %(sources)s::text[] is null
        or model_name || ' ' || model_version = any(%(sources)s)
    )
order by first_breach_date, model, reason
