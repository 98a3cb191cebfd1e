-- At most some 400 steps a model: a longer training is thinned evenly, its last one kept. A training
-- begins after a pause of an hour, or of ten times the usual time between steps. Episodes have the
-- mean of the last 20 beside them, generations the best of theirs.
with steps as (
    select
        'episode' as step_kind,
        model_id,
        model_name,
        model_version,
        episode_position as step,
        total_reward as step_value,
        null::double precision as best_value,
        created_at
    from training.rl_progress
    union all
    select
        'generation' as step_kind,
        model_id,
        model_name,
        model_version,
        generation_position as step,
        average_fitness as step_value,
        best_fitness as best_value,
        created_at
    from training.genetic_progress
),

paused as (
    select
        *,
        model_name || ' ' || model_version as model,
        extract(epoch from created_at - lag(created_at) over training) as pause,
        count(*) over (partition by step_kind, model_id) as steps
    from steps
    where
        %(sources)s::text[] is null
        or model_name || ' ' || model_version = any(%(sources)s)
    window training as (partition by step_kind, model_id order by step)
),

usual as (
    select
        step_kind,
        model_id,
        percentile_cont(0.5) within group (order by pause) as usual_pause
    from paused
    group by step_kind, model_id
),

runs as (
    select
        paused.*,
        count(*) filter (
            where paused.pause >= greatest(3600, 10 * usual.usual_pause)
        ) over (partition by paused.step_kind, paused.model_id order by paused.step) + 1 as run
    from paused
    inner join usual using (step_kind, model_id)
),

smoothed as (
    select
        *,
        case step_kind
            when 'generation' then best_value
            else avg(step_value) over (
                partition by step_kind, model_id, run
                order by step
                rows between 19 preceding and current row
            )
        end as smooth_value
    from runs
)

select
    step_kind,
    model,
    run,
    min(step) over (partition by step_kind, model, run) as first_step,
    step,
    step_value,
    smooth_value,
    created_at
from smoothed
where (steps - step) %% greatest(1, steps / 400) = 0
order by model, step
