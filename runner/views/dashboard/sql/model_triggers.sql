select
    model_name || ' ' || model_version as model,
    reason,
    first_breach_date,
    alarm_date,
    cleared_date,
    figure,
    threshold,
    n
from operations.retraining_triggers
where
    %(sources)s::text[] is null
    or model_name || ' ' || model_version = any(%(sources)s)
order by alarm_date desc, model, reason
limit 100
