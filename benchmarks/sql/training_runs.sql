with steps as (
    select model_id, 'episodes' as kind, episode_number::bigint as n, total_reward as value,
        created_at
    from rl_training_episodes
    union all
    select model_id, 'generations', generation_number, best_fitness, created_at
    from genetic_generations
    union all
    select model_id, 'analyses', row_number() over (partition by model_id order by created_at, id),
        pattern_confidence, created_at
    from spectrum_analysis
),

numbered as (
    select
        *,
        row_number() over (partition by model_id, kind order by n) as place,
        row_number() over (partition by model_id, kind order by n desc) as from_end,
        row_number() over (partition by model_id, kind order by value desc, n) as value_rank
    from steps
    where value is not null
)

select
    r.model_id, r.kind as run_kind, r.steps, r.first_value, r.last_value, r.best_value,
    r.first_mean_value, r.last_mean_value, r.steps_since_best,
    case when r.steps >= 40 then r.last_mean_value - r.first_mean_value end as improvement,
    case when r.steps >= 40 then r.last_mean_value - r.first_mean_value end
    / nullif(coalesce(sqrt((r.first_variance + r.last_variance) / 20), 0), 0)
        as improvement_z_score
from (
    select
        model_id, kind, count(*) as steps,
        min(value) filter (where place = 1) as first_value,
        min(value) filter (where from_end = 1) as last_value,
        max(value) as best_value,
        avg(value) filter (where place <= 20) as first_mean_value,
        avg(value) filter (where from_end <= 20) as last_mean_value,
        var_samp(value) filter (where place <= 20) as first_variance,
        var_samp(value) filter (where from_end <= 20) as last_variance,
        min(from_end) filter (where value_rank = 1) - 1 as steps_since_best
    from numbered
    group by model_id, kind
) as r
left join ai_models as m on r.model_id = m.id
