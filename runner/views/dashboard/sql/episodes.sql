-- At most some 400 episodes a model: a longer training is thinned evenly, its last one kept.
with episodes as (
    select
        model_name || ' ' || model_version as model,
        episode_position as step,
        total_reward as step_value,
        mean_reward as smooth_value,
        best_reward as best_value,
        count(*) over (partition by model_id) as steps
    from training.rl_progress
    where
        %(models)s::text[] is null
        or model_name || ' ' || model_version = any(%(models)s)
)

select
    model,
    step,
    step_value,
    smooth_value,
    best_value
from episodes
where (steps - step) %% greatest(1, steps / 400) = 0
order by model, step
