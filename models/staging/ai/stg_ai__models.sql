-- Grain: a version of an AI module. Times are UTC.

{% set rules = [
    ['model_type', 'present'],
    ['model_type', 'label'],
    ['model_name', 'present'],
    ['model_name', 'label'],
    ['version', 'present'],
    ['version', 'label'],
    ['created_at', 'present'],
    ['created_at', 'moment'],
    ['updated_at', 'moment'],
    [
        'model_name', 'first', ["model_name || ' ' || version"], 'id',
        'name and version are called as those of another model'
    ],
] %}

{{ config(
    unique_key='model_id',
    meta={'landing_key': ['id'], 'is_whole': true, 'rules': rules}
) }}

with source as (

    {{ usable_rows(source('ai', 'ai_models'), rules) }}

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
