-- Grain: a generation of a genetic optimization's population. Times are UTC.

-- Everything looks back only: a generation's row does not change when later ones
-- arrive. A higher fitness is better.

with generations as (

    select * from {{ ref('stg_ai__genetic_generations') }}

),

models as (

    select * from {{ ref('stg_ai__models') }}

),

windowed as (

    select
        *,
        row_number() over evolution as generation_position,
        max(best_fitness) over (
            evolution rows between unbounded preceding and 1 preceding
        ) as previous_best_fitness,
        -- Generations may be stored late or out of order: these figures need all up to
        -- here.
        max(available_at) over (
            evolution rows between unbounded preceding and current row
        ) as progress_available_at
    from generations
    window evolution as (partition by model_id order by generation_number)

),

improved as (

    select
        *,
        previous_best_fitness is null
        or best_fitness > previous_best_fitness as is_improvement
    from windowed

),

counted as (

    select
        *,
        max(case when is_improvement then generation_position end) over (
            partition by model_id
            order by generation_number
            rows between unbounded preceding and current row
        ) as improved_position
    from improved

),

genetic_progress as (

    select
        counted.generation_id,
        counted.model_id,
        models.model_name,
        models.model_version,
        counted.generation_number,
        counted.generation_position,
        counted.best_fitness,
        counted.average_fitness,
        counted.best_fitness - counted.average_fitness as selection_pressure,
        counted.population_diversity,
        greatest(
            counted.best_fitness,
            coalesce(counted.previous_best_fitness, counted.best_fitness)
        ) as best_fitness_so_far,
        counted.is_improvement,
        case
            when counted.previous_best_fitness is null then null
            when counted.is_improvement
                then counted.best_fitness - counted.previous_best_fitness
            else 0
        end as improvement,
        counted.generation_position
        - counted.improved_position as generations_since_improvement,
        cast(counted.best_individual as {{ dbt.type_string() }}) as elite_genes,
        counted.created_at,
        counted.progress_available_at as available_at
    from counted
    left join models
        on counted.model_id = models.model_id

)

select * from genetic_progress
