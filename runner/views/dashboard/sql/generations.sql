-- At most some 400 generations a model: a longer search is thinned evenly, its last one kept.
with generations as (
    select
        model_name || ' ' || model_version as model,
        generation_position as step,
        average_fitness as step_value,
        best_fitness as smooth_value,
        best_fitness_so_far as best_value,
        population_diversity,
        count(*) over (partition by model_id) as steps
    from training.genetic_progress
    where
        %(models)s::text[] is null
        or model_name || ' ' || model_version = any(%(models)s)
)

select
    model,
    step,
    step_value,
    smooth_value,
    best_value,
    population_diversity
from generations
where (steps - step) %% greatest(1, steps / 400) = 0
order by model, step
