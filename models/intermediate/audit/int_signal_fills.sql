-- Grain: a filled order that opened or closed a trade of a signal. Times are UTC.

{{ config(
    unique_key=['order_id', 'signal_id'],
    meta={'affected_by': 'order_id'},
    indexes=[{'columns': ['symbol', 'filled_at']}],
    pre_hook="{{ prefer_index_lookups() }}"
) }}

with signal_orders as (

    select
        order_id,
        signal_id
    from {{ followed('int_signal_orders') }}

    union

    select
        closing_order_id as order_id,
        signal_id
    from {{ followed('int_lots_closed', by='closing_order_id') }}
    where signal_id is not null

),

fills as (

    select
        signal_orders.order_id,
        signal_orders.signal_id,
        orders.symbol,
        orders.filled_price,
        orders.created_at,
        orders.filled_at
    from signal_orders
    inner join {{ ref('stg_platform__trading_orders') }} as orders
        on signal_orders.order_id = orders.order_id
    where
        orders.filled_quantity > 0
        and orders.filled_price is not null
        and orders.filled_at >= orders.created_at

),

-- All bars of a symbol are of one length: of those that opened before, the last one
-- closed last.
{{ bars_of_fills() }}

select * from signal_fills {{ newest_together('order_id') }}
