-- Grain: a bar (symbol, timeframe, opened_at). Times are UTC.

{{ config(
    unique_key=['symbol', 'timeframe', 'opened_at'],
    meta={'landing_key': ['symbol', 'timeframe', 'opened_at']},
    indexes=[{'columns': ['available_at']}]
) }}

with source as (

    select *
    from {{ source('ai', 'market_bars') }}
    {{ where_affected(['symbol', 'timeframe', 'opened_at']) }}

),

renamed as (

    select
        -- strings
        cast(symbol as {{ dbt.type_string() }}) as symbol,
        cast(timeframe as {{ dbt.type_string() }}) as timeframe,

        -- numerics
        cast(open as {{ type_money() }}) as open_price,
        cast(high as {{ type_money() }}) as high_price,
        cast(low as {{ type_money() }}) as low_price,
        cast(close as {{ type_money() }}) as close_price,
        cast(volume as {{ type_money() }}) as volume,

        -- timestamps
        opened_at,
        opened_at + {{ timeframe_interval('timeframe') }} as closed_at,
        -- A bar is known when it closes, not when it opens.
        opened_at + {{ timeframe_interval('timeframe') }} as available_at
    from source

)

select * from renamed
