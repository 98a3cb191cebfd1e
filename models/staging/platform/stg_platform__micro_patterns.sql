-- Grain: a chart pattern that the platform detected. Times are UTC.

{% set signals = {'BUY': [], 'SELL': [], 'HOLD': []} %}
{% set rules = [
    ['id', 'key'],
    ['symbol', 'present'],
    ['symbol', 'symbol'],
    ['pattern_type', 'label'],
    ['signal', 'word', signals],
    ['confidence', 'share'],
    ['created_at', 'present'],
    ['created_at', 'moment'],
] %}

{{ config(
    unique_key='pattern_id',
    meta={'landing_key': ['id'], 'rules': rules},
    indexes=[
        {'columns': ['symbol', 'created_at']},
        {'columns': ["(coalesce(pattern_type, 'unknown'))", 'created_at']},
        {'columns': ["(coalesce(pattern_type, 'unknown'))", 'pattern_number']},
        {'columns': ['pattern_number']}
    ]
) }}

with source as (

    {{ usable_rows(source('platform', 'micro_patterns'), rules) }}

),

renamed as (

    select
        -- ids
        id as pattern_id,
        number as pattern_number,

        -- strings
        cast({{ trimmed('symbol') }} as {{ dbt.type_string() }}) as symbol,
        cast(pattern_type as {{ dbt.type_string() }}) as pattern_type,
        cast(
            {{ known_word('signal', signals) }} as {{ dbt.type_string() }}
        ) as pattern_signal,

        -- numerics
        cast(confidence as {{ type_double() }}) as confidence,

        -- timestamps
        created_at,
        created_at as available_at
    from source

)

select * from renamed
