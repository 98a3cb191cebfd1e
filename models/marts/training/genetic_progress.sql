-- Grain: a generation of a genetic optimization's population. Times are UTC.

-- All figures only look back: a generation's row does not change when later ones
-- arrive. A higher fitness is better.

{{ config(
    unique_key='generation_id',
    meta={
        'affected_by': 'model_id',
        'affected_from': 'generation_number',
        'follows': {
            'stg_ai__genetic_generations': 'model_id, generation_number',
            'stg_ai__models': through(
                'stg_ai__genetic_generations', 'model_id', keys='model_id, generation_number'
            )
        }
    },
    indexes=[{'columns': ['model_id', 'generation_number']}]
) }}
{%- set evolution = 'partition by model_id order by generation_number' %}
{%- set framed = framed_window('evolution', evolution) %}

with generations as (

    select
        generation_id,
        model_id,
        generation_number,
        best_fitness,
        average_fitness,
        population_diversity,
        cast(best_individual as {{ dbt.type_string() }}) as elite_genes,
        created_at,
        available_at,
        best_fitness as best_fitness_so_far,
        0 as generations_before,
        cast(null as bigint) as kept_improved_position
    from {{ followed('stg_ai__genetic_generations') }}
    {% if is_from_changes() %}
        union all

        -- The earlier generations that the changed ones look back on.
        select
            stored.generation_id,
            stored.model_id,
            stored.generation_number,
            stored.best_fitness,
            stored.average_fitness,
            stored.population_diversity,
            stored.elite_genes,
            stored.created_at,
            stored.available_at,
            stored.best_fitness_so_far,
            stored.generation_position - 1 as generations_before,
            stored.generation_position
            - stored.generations_since_improvement as kept_improved_position
        from affected
        cross join lateral {{ stored_before() }} as stored
    {% endif %}

),

models as (

    select * from {{ ref('stg_ai__models') }}

),

windowed as (

    select
        *,
        row_number() over evolution
        + {{ whole_number(
            'first_value(generations_before) over evolution'
        ) }} as generation_position,
        max(best_fitness_so_far) over (
            {{ framed }} rows between unbounded preceding and 1 preceding
        ) as previous_best_fitness,
        -- Generations may be stored late or out of order: these figures need all
        -- generations up to this one.
        max(available_at) over (
            {{ framed }} rows between unbounded preceding and current row
        ) as progress_available_at
    from generations
    window evolution as ({{ evolution }})

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
        max(
            coalesce(
                kept_improved_position,
                case when is_improvement then generation_position end
            )
        ) over (
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
        coalesce(models.model_name, 'unknown') as model_name,
        coalesce(models.model_version, 'unknown') as model_version,
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
        counted.elite_genes,
        counted.created_at,
        counted.progress_available_at as available_at
    from counted
    left join models
        on counted.model_id = models.model_id
    where counted.kept_improved_position is null

)

select * from genetic_progress
