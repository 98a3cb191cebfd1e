-- At most some 400 episodes a model: a longer training is thinned evenly, its last one kept. A
-- training begins after a pause of an hour, or of ten times the usual time between episodes.
with steps as (
    select
        model_id,
        model_name || ' ' || model_version as model,
        episode_position as step,
        total_reward as step_value,
        created_at,
        extract(epoch from created_at - lag(created_at) over evolution) as pause,
        count(*) over (partition by model_id) as steps
    from training.rl_progress
    where
        %(sources)s::text[] is null
        or model_name || ' ' || model_version = any(%(sources)s)
    window evolution as (partition by model_id order by episode_position)
),

usual as (
    select
        model_id,
        percentile_cont(0.5) within group (order by pause) as usual_pause
    from steps
    group by model_id
),

runs as (
    select
        steps.*,
        count(*) filter (
            where steps.pause >= greatest(3600, 10 * usual.usual_pause)
        ) over (partition by steps.model_id order by steps.step) + 1 as run
    from steps
    inner join usual using (model_id)
),

smoothed as (
    select
        *,
        avg(step_value) over (
            partition by model_id, run
            order by step
            rows between 19 preceding and current row
        ) as smooth_value
    from runs
)

select
    model,
    run,
    min(step) over (partition by model, run) as first_step,
    step,
    step_value,
    smooth_value,
    created_at
from smoothed
where (steps - step) %% greatest(1, steps / 400) = 0
order by model, step
