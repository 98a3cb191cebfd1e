-- Grain: a bar (symbol, timeframe, opened_at). Times are UTC.

{{ config(materialized='view') }}

with bars as (

    select * from {{ ref('stg_ai__market_bars') }}

),

price_bars as (

    select
        symbol,
        timeframe,
        open_price,
        high_price,
        low_price,
        close_price,
        volume,
        opened_at,
        closed_at,
        available_at
    from bars

)

select * from price_bars
