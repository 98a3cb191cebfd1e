-- Grain: a buy and a sell of the same trade plan, account, currency and symbol that
-- share units. No times.

{{ config(
    unique_key=['buy_order_id', 'sell_order_id'],
    meta={
        'affected_by': 'trade_plan_id',
        'follows': {
            'int_fills': 'trade_plan_id'
        }
    },
    indexes=[{'columns': ['trade_plan_id']}, {'columns': ['sell_order_id']}]
) }}

{% set groups = ['trade_plan_id', 'account', 'currency', 'symbol'] %}

with fills as (

    select *
    from {{ followed('int_fills') }}

),

planned_fills as (

    select *
    from fills
    where trade_plan_id is not null

),

numbered_fills as (

    {{ number_units('planned_fills', groups) }}

),

matched_fills as (

    {{ match_units('numbered_fills', groups) }}

)

select * from matched_fills
