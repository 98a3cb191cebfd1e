select
    model_name || ' ' || model_version as model,
    model_type,
    run_kind,
    steps,
    first_mean_value,
    last_mean_value,
    best_value,
    steps_since_best,
    -- An analysis measures, it does not learn.
    case when run_kind <> 'analyses' then improvement end as improvement,
    case when run_kind <> 'analyses' then improvement_z_score end as improvement_z_score,
    case when run_kind <> 'analyses' then is_plateau end as is_plateau,
    case when run_kind <> 'analyses' then is_learning end as is_learning,
    last_step_at
from training.training_runs
where
    %(sources)s::text[] is null
    or model_name || ' ' || model_version = any(%(sources)s)
order by model_type, model
