-- Grain: an order. Times are UTC.

with attributed_orders as (

    select * from {{ ref('int_orders_attributed') }}

),

order_attribution as (

    select
        order_id,
        signal_id,
        symbol,
        side,
        source_type,
        source_name,
        method,
        lag_seconds,
        created_at,
        available_at
    from attributed_orders

)

select * from order_attribution
