-- Grain: an order that executes a signal. Times are UTC.

{{ config(
    unique_key='order_id',
    indexes=[
        {'columns': ['signal_id']},
        {'columns': ['symbol', 'created_at']}
    ],
    pre_hook="{{ avoid_nested_loops() }}"
) }}

with attributed_orders as (

    select *
    from {{ followed('int_orders_attributed') }}
    where signal_id is not null

),

orders as (

    select
        attributed_orders.order_id,
        attributed_orders.signal_id,
        orders.symbol,
        orders.side,
        greatest(orders.quantity, orders.filled_quantity) as quantity,
        orders.created_at
    from attributed_orders
    inner join {{ ref('stg_platform__trading_orders') }} as orders
        on attributed_orders.order_id = orders.order_id

),

{% if is_from_changes() %}

    arrivals as (

        select
            orders.order_id,
            arrival.close_price as arrival_price
        from orders
        cross join lateral (
            select bars.close_price
            from {{ ref('int_bars_numbered') }} as bars
            where
                bars.symbol = orders.symbol
                and bars.opened_at <= orders.created_at
                and bars.closed_at <= orders.created_at
            order by bars.opened_at desc
            limit 1
        ) as arrival

    ),

{% else %}

    -- The same, with orders and bars on one line of time. At the same instant, a close
    -- comes before an order, which may know it.
    events as (

        select
            symbol,
            closed_at as event_at,
            0 as event_order,
            bar_number,
            null as order_id
        from {{ ref('int_bars_numbered') }}

        union all

        select
            symbol,
            created_at as event_at,
            1 as event_order,
            null as bar_number,
            order_id
        from orders

    ),

    reached as (

        select
            symbol,
            order_id,
            max(bar_number) over (
                partition by symbol
                order by event_at asc, event_order asc
                rows between unbounded preceding and current row
            ) as bar_number
        from events

    ),

    arrivals as (

        select
            reached.order_id,
            bars.close_price as arrival_price
        from reached
        inner join {{ ref('int_bars_numbered') }} as bars
            on
                reached.symbol = bars.symbol
                and reached.bar_number = bars.bar_number
        where reached.order_id is not null

    ),

{% endif %}

signal_orders as (

    select
        orders.order_id,
        orders.signal_id,
        orders.symbol,
        orders.side,
        orders.quantity,
        arrivals.arrival_price,
        orders.created_at
    from orders
    left join arrivals
        on orders.order_id = arrivals.order_id

)

select * from signal_orders {{ newest_together('order_id') }}
