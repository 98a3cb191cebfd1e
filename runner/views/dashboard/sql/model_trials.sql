select
    model_name || ' ' || challenger_version as challenger,
    model_name || ' ' || champion_version as champion,
    verdict,
    e_value,
    challenger_outcomes,
    loss_difference,
    started_at,
    deadline_date
from operations.model_trials
where
    %(sources)s::text[] is null
    or model_name || ' ' || challenger_version = any(%(sources)s)
    or model_name || ' ' || champion_version = any(%(sources)s)
order by (verdict = 'ended'), started_at desc, challenger
limit 100
