-- Grain: an order with a filled quantity above 0. Times are UTC.

{{ config(
    unique_key='order_id',
    meta={'follows': {'stg_platform__trading_orders': 'order_id'}},
    indexes=[
        {'columns': ['symbol', 'account', 'currency', 'filled_at']},
        {'columns': ['trade_plan_id']}
    ]
) }}

with orders as (

    select *
    from {{ followed('stg_platform__trading_orders') }}

),

-- Of any status: a cancelled order may have been filled in part before.
fills as (

    select
        order_id,
        trade_plan_id,
        account,
        currency,
        symbol,
        side,
        filled_quantity as quantity,
        coalesce(filled_price, price) as price,
        fee,
        tag,
        exit_reason,
        leverage,
        coalesce(filled_at, created_at) as filled_at,
        coalesce(filled_at, created_at) as available_at
    from orders
    where filled_quantity > 0

)

select * from fills
