-- Grain: a bar (symbol, timeframe, opened_at). Times are UTC.

{# A bar is known when it closes. #}
{% set closes_at %}
    case
        when
            {{ is_timeframe('timeframe') }}
            and opened_at < {{ end_of_time() }}
            then opened_at + {{ timeframe_interval('timeframe') }}
    end
{% endset %}
{% set rules = [
    ['symbol', 'present'],
    ['symbol', 'symbol'],
    ['symbol', 'first_spelling', ['timeframe', 'opened_at']],
    ['timeframe', 'present'],
    [
        'timeframe', 'holds', is_timeframe('timeframe'),
        'not a number and m, h, d or w, such as 15m'
    ],
    ['opened_at', 'present'],
    ['opened_at', 'moment'],
    ['opened_at', 'moment', closes_at],
    ['open', 'present'],
    ['open', 'money'],
    ['high', 'present'],
    ['high', 'money'],
    ['high', 'holds', 'high >= greatest(open, close)', 'below another price of the bar'],
    ['low', 'present'],
    ['low', 'money'],
    ['low', 'holds', 'low > 0', '0 or less'],
    ['low', 'holds', 'low <= least(open, close)', 'above another price of the bar'],
    ['close', 'present'],
    ['close', 'money'],
    ['volume', 'money'],
    ['volume', 'not_negative'],
] %}

{{ config(
    unique_key=['symbol', 'timeframe', 'opened_at'],
    meta={
        'landing_key': ['symbol', 'timeframe', 'opened_at'],
        'key_from': [trimmed('symbol'), 'timeframe', 'opened_at'],
        'spelled': 'symbol',
        'rules': rules
    },
    indexes=[{'columns': ['available_at']}]
) }}

with source as (

    {{ usable_rows(source('ai', 'market_bars'), rules) }}

),

renamed as (

    select
        -- strings
        cast({{ trimmed('symbol') }} as {{ dbt.type_string() }}) as symbol,
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
