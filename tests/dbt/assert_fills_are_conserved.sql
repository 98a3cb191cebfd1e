-- Every filled unit of an order is in exactly one trade or still open.

with fills as (

    select * from {{ ref('int_fills') }}

),

trades as (

    select * from {{ ref('trades') }}

),

open_positions as (

    select * from {{ ref('int_open_positions') }}

),

parts as (

    select
        opening_order_id as order_id,
        quantity
    from trades

    union all

    select
        closing_order_id as order_id,
        quantity
    from trades

    union all

    select
        order_id,
        open_quantity as quantity
    from open_positions

),

orders as (

    select
        order_id,
        sum(quantity) as quantity
    from parts
    group by order_id

),

violations as (

    select
        coalesce(fills.order_id, orders.order_id) as order_id,
        fills.quantity as filled_quantity,
        orders.quantity as accounted_quantity
    from fills
    full outer join orders
        on fills.order_id = orders.order_id
    where fills.quantity is distinct from orders.quantity

)

select * from violations
