-- Grain: a spectral analysis of a symbol's prices. Times are UTC.

{{ config(
    unique_key='analysis_id',
    meta={'landing_key': ['id']},
    indexes=[
        {'columns': [
            'model_id', 'symbol', 'analysis_type', 'created_at', 'analysis_id'
        ]},
        {'columns': ['model_id', '(' ~ step_block(date=utc_date('created_at')) ~ ')']}
    ]
) }}

with source as (

    select *
    from {{ source('ai', 'spectrum_analysis') }}
    {{ where_affected('id', 'analysis_id') }}

),

renamed as (

    select
        -- ids
        id as analysis_id,
        model_id,

        -- strings
        cast(symbol as {{ dbt.type_string() }}) as symbol,
        cast(lower(analysis_type) as {{ dbt.type_string() }}) as analysis_type,
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
