-- Grain: a version of an AI module. Times are UTC.

{{ config(
    unique_key='model_id',
    meta={'landing_key': ['id']}
) }}

with source as (

    select *
    from {{ source('ai', 'ai_models') }}
    {{ where_affected('id', 'model_id') }}

),

renamed as (

    select
        -- ids
        id as model_id,

        -- strings
        cast(model_type as {{ dbt.type_string() }}) as model_type,
        cast(model_name as {{ dbt.type_string() }}) as model_name,
        cast(version as {{ dbt.type_string() }}) as model_version,
        cast(model_name || ' ' || version as {{ dbt.type_string() }}) as model_label,
        config as model_config,

        -- booleans
        is_active,

        -- timestamps
        created_at,
        updated_at,
        created_at as available_at
    from source

)

select * from renamed
