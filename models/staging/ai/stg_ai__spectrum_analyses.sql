-- Grain: a spectral analysis of a symbol's prices. Times are UTC.

{% set analysis_types = {'fourier': [], 'wavelet': [], 'compressed_sensing': []} %}
{% set rules = [
    ['model_id', 'present'],
    ['symbol', 'present'],
    ['symbol', 'symbol'],
    ['analysis_type', 'present'],
    ['analysis_type', 'word', analysis_types],
    ['dominant_frequencies', 'present'],
    [
        'dominant_frequencies', 'holds', json_array_length('dominant_frequencies') ~ ' >= 0',
        'no JSON array'
    ],
    [
        'dominant_frequencies', 'holds', has_sane_numbers('dominant_frequencies'),
        'a number is beyond 1e-100 to 1e100'
    ],
    ['pattern_confidence', 'share'],
    ['anomaly_score', 'double'],
    ['created_at', 'present'],
    ['created_at', 'moment'],
    ['imported_at', 'moment'],
] %}

{{ config(
    unique_key='analysis_id',
    meta={'landing_key': ['id'], 'rules': rules},
    indexes=[
        {'columns': [
            'model_id', 'symbol', 'analysis_type', 'created_at', 'analysis_id'
        ]},
        {'columns': ['model_id', 'available_at']},
        {'columns': ['model_id', '(' ~ step_block(date=utc_date('created_at')) ~ ')']}
    ]
) }}

with source as (

    {{ usable_rows(source('ai', 'spectrum_analysis'), rules) }}

),

renamed as (

    select
        -- ids
        id as analysis_id,
        model_id,

        -- strings
        cast({{ trimmed('symbol') }} as {{ dbt.type_string() }}) as symbol,
        cast(
            {{ known_word('analysis_type', analysis_types) }} as {{ dbt.type_string() }}
        ) as analysis_type,
        dominant_frequencies,
        analysis_data,

        -- numerics
        cast(pattern_confidence as {{ type_double() }}) as pattern_confidence,
        cast(anomaly_score as {{ type_double() }}) as anomaly_score,

        -- timestamps
        created_at,
        greatest(created_at, coalesce(imported_at, created_at)) as available_at
    from source

)

select * from renamed
