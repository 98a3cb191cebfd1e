-- Grain: a generation of a model's evolution. Times are UTC.

{{ config(
    unique_key='generation_id',
    meta={'landing_key': ['id']},
    indexes=[
        {'columns': ['model_id', 'generation_number']},
        {'columns': ['model_id', '(' ~ step_block(number='generation_number') ~ ')']}
    ]
) }}

with source as (

    select *
    from {{ source('ai', 'genetic_generations') }}
    {{ where_affected('id', 'generation_id') }}

),

renamed as (

    select
        -- ids
        id as generation_id,
        model_id,

        -- strings
        best_individual,

        -- numerics
        generation_number,
        cast(best_fitness as {{ type_double() }}) as best_fitness,
        cast(average_fitness as {{ type_double() }}) as average_fitness,
        cast(population_diversity as {{ type_double() }}) as population_diversity,

        -- timestamps
        created_at,
        greatest(created_at, coalesce(imported_at, created_at)) as available_at
    from source

)

select * from renamed
