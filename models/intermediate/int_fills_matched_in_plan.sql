-- Grain: a buy and a sell of the same trade plan and symbol that share units. No times.

with fills as (

    select *
    from {{ ref('int_fills') }}
    where trade_plan_id is not null

),

matched_fills as (

    {{ match_fills('fills', ['trade_plan_id', 'symbol']) }}

)

select * from matched_fills
