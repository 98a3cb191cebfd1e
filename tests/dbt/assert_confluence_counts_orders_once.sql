-- Every order that executes a signal is counted with it, once.

with signal_confluence as (

    select * from {{ ref('signal_confluence') }}

),

order_attribution as (

    select * from {{ ref('order_attribution') }}

),

counted as (

    select coalesce(sum(order_count), 0) as order_count
    from signal_confluence

),

attributed as (

    select count(signal_id) as order_count
    from order_attribution

),

violations as (

    select
        counted.order_count as counted_orders,
        attributed.order_count as attributed_orders
    from counted
    cross join attributed
    where counted.order_count <> attributed.order_count

)

select * from violations
