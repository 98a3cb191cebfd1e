-- Grain: a stage of a version of an AI module. Times are UTC.

{% set stages = {'champion': [], 'shadow': [], 'retired': []} %}
{% set rules = [
    ['model_id', 'present'],
    ['stage', 'present'],
    ['stage', 'word', stages],
    ['since', 'present'],
    ['since', 'moment'],
    ['reason', 'present'],
    ['data_cut', 'moment'],
    ['created_at', 'moment'],
] %}

{{ config(
    unique_key='stage_id',
    meta={'landing_key': ['id'], 'rules': rules},
    indexes=[{'columns': ['model_id']}]
) }}

with source as (

    {{ usable_rows(source('ai', 'ai_model_stages'), rules) }}

),

renamed as (

    select
        -- ids
        id as stage_id,
        model_id,

        -- strings
        cast({{ known_word('stage', stages) }} as {{ dbt.type_string() }}) as stage,
        reason,
        evidence,
        code_hash,
        artifact_hash,

        -- timestamps
        since as started_at,
        data_cut as data_cut_at,
        created_at,
        since as available_at
    from source

)

select * from renamed
