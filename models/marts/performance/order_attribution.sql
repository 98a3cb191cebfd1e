-- Grain: an order. Times are UTC.

{{ config(
    unique_key='order_id',
    meta={'follows': {'int_orders_attributed': 'order_id'}},
    indexes=[{'columns': ['signal_id']}]
) }}

with attributed_orders as (

    select *
    from {{ followed('int_orders_attributed') }}

),

order_attribution as (

    select
        order_id,
        signal_id,
        account,
        currency,
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

select * from order_attribution {{ newest_together('order_id') }}
