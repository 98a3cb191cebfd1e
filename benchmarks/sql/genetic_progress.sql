select
    g.id as generation_id, g.model_id, g.generation_number, g.generation_position, g.best_fitness,
    g.average_fitness, g.best_fitness - g.average_fitness as selection_pressure,
    g.population_diversity, g.best_fitness_so_far,
    case
        when g.previous is null then null
        else greatest(g.best_fitness - g.previous, 0)
    end as improvement,
    g.generation_position - max(
        case when g.previous is null or g.best_fitness > g.previous then g.generation_position end
    ) over (partition by g.model_id order by g.generation_number)
        as generations_since_improvement,
    g.available_at
from (
    select
        *,
        row_number() over evolution as generation_position,
        max(best_fitness) over (
            evolution rows between unbounded preceding and 1 preceding
        ) as previous,
        max(best_fitness) over evolution as best_fitness_so_far,
        max(created_at) over evolution as available_at
    from genetic_generations
    window evolution as (partition by model_id order by generation_number)
) as g
left join ai_models as m on g.model_id = m.id
