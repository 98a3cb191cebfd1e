-- Grain: a generation of a model's evolution. Times are UTC.

{% set rules = [
    ['model_id', 'present'],
    ['generation_number', 'present'],
    ['generation_number', 'not_negative'],
    ['best_fitness', 'present'],
    ['best_fitness', 'double'],
    ['average_fitness', 'present'],
    ['average_fitness', 'double'],
    ['population_diversity', 'double'],
    ['best_individual', 'present'],
    ['created_at', 'present'],
    ['created_at', 'moment'],
    ['imported_at', 'moment'],
] %}

{{ config(
    unique_key='generation_id',
    meta={'landing_key': ['id'], 'rules': rules},
    indexes=[
        {'columns': ['model_id', 'generation_number']},
        {'columns': ['model_id', 'available_at']},
        {'columns': ['model_id', '(' ~ step_block(number='generation_number') ~ ')']}
    ]
) }}

with source as (

    {{ usable_rows(source('ai', 'genetic_generations'), rules) }}

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
