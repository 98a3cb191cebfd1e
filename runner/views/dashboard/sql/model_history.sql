select
    model_name || ' ' || model_version as model,
    stage,
    started_at,
    ended_at,
    reason
from operations.model_history
where
    %(sources)s::text[] is null
    or model_name || ' ' || model_version = any(%(sources)s)
order by started_at desc, stage_id desc
limit 100
