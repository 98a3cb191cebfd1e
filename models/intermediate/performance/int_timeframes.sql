-- Grain: a symbol and a timeframe of which it has bars. No times.

{{ config(
    unique_key=['symbol', 'timeframe'],
    meta={'follows': {'stg_ai__market_bars': 'symbol, timeframe'}}
) }}

with timeframes as (

    {% if is_from_changes() %}
        -- All bars of a timeframe have one length, so any of them gives it.
        select
            affected.symbol,
            affected.timeframe,
            bars.length_seconds
        from affected
        cross join lateral (
            select {{ seconds_between('one.opened_at', 'one.closed_at') }} as length_seconds  -- noqa: LT05
            from {{ ref('stg_ai__market_bars') }} as one
            where
                one.symbol = affected.symbol
                and one.timeframe = affected.timeframe
                and one.closed_at is not null
            order by one.opened_at
            limit 1
        ) as bars
    {% else %}
        select distinct
            symbol,
            timeframe,
            {{ seconds_between('opened_at', 'closed_at') }} as length_seconds
        from {{ ref('stg_ai__market_bars') }}
        where closed_at is not null
    {% endif %}

)

select * from timeframes
