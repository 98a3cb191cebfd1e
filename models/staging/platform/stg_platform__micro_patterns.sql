-- Grain: a chart pattern that the platform detected. Times are UTC.

{{ config(
    unique_key='pattern_id',
    meta={'landing_key': ['id']},
    indexes=[
        {'columns': ['symbol', 'created_at']},
        {'columns': ["(coalesce(pattern_type, 'unknown'))", 'created_at']},
        {'columns': ["(coalesce(pattern_type, 'unknown'))", 'pattern_id']}
    ]
) }}

with source as (

    select *
    from {{ source('platform', 'micro_patterns') }}
    {{ where_affected('id', 'pattern_id') }}

),

renamed as (

    select
        -- ids
        id as pattern_id,

        -- strings
        cast(symbol as {{ dbt.type_string() }}) as symbol,
        cast(pattern_type as {{ dbt.type_string() }}) as pattern_type,
        cast(upper(signal) as {{ dbt.type_string() }}) as pattern_signal,

        -- numerics
        cast(confidence as {{ type_double() }}) as confidence,

        -- timestamps
        created_at,
        created_at as available_at
    from source

)

select * from renamed
