-- At most some 400 steps a model: a longer training is thinned evenly, its last one kept. A training
-- begins after a pause of an hour, or of ten times the usual time between steps. Episodes have the
-- mean of the last 20 beside them, generations the best of theirs.
with models as (
    select distinct
        model_id,
        model_name || ' ' || model_version as model
    from training.training_runs
    where
        %(sources)s::text[] is null
        or model_name || ' ' || model_version = any(%(sources)s)
),

steps as (
    select
        'episode' as step_kind,
        model_id,
        episode_position as step,
        total_reward as step_value,
        null::double precision as best_value,
        created_at
    from training.rl_progress
    union all
    select
        'generation' as step_kind,
        model_id,
        generation_position as step,
        average_fitness as step_value,
        best_fitness as best_value,
        created_at
    from training.genetic_progress
),

paused as (
    select
        step_kind,
        model_id,
        step,
        step_value,
        best_value,
        created_at,
        created_at - lag(created_at) over (partition by step_kind, model_id order by step)
            as pause
    from steps
    where model_id in (select models.model_id from models)
),

trainings as (
    select
        step_kind,
        model_id,
        greatest(
            interval '1 hour', 10 * percentile_cont(0.5) within group (order by pause)
        ) as longest_pause,
        count(*) as steps,
        greatest(1, count(*) / 400) as stride
    from paused
    group by step_kind, model_id
),

runs as (
    select
        paused.*,
        count(*) filter (where paused.pause >= trainings.longest_pause) over (
            partition by paused.step_kind, paused.model_id order by paused.step
        ) + 1 as run,
        (trainings.steps - paused.step) %% trainings.stride as steps_to_shown
    from paused
    inner join trainings using (step_kind, model_id)
),

-- Those that are shown, and the 19 before each.
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
    where steps_to_shown < 20
)

select
    smoothed.step_kind,
    models.model,
    smoothed.run,
    min(smoothed.step) over (partition by smoothed.step_kind, smoothed.model_id, smoothed.run)
        as first_step,
    smoothed.step,
    smoothed.step_value,
    smoothed.smooth_value,
    smoothed.created_at
from smoothed
inner join models using (model_id)
where smoothed.steps_to_shown = 0
order by models.model, smoothed.step
