select
    model_name || ' ' || model_version as model,
    model_type,
    run_kind,
    steps,
    first_mean_value,
    last_mean_value,
    improvement,
    improvement_z_score,
    best_value,
    steps_since_best,
    is_plateau,
    is_learning,
    last_step_at
from training.training_runs
where
    %(models)s::text[] is null
    or model_name || ' ' || model_version = any(%(models)s)
order by model_type, model
