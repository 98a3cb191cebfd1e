-- Grain: a filled order that opened or closed a trade of a signal. Times are UTC.

{{ config(
    unique_key=['order_id', 'signal_id'],
    meta={'affected_by': 'order_id'},
    indexes=[{'columns': ['symbol', 'filled_at']}],
    pre_hook="{{ prefer_index_lookups() }}"
) }}
{%- set has_bar = 'begun.filled_at <= between_them.closed_at' %}
{%- set lowest = of_lateral(has_bar, 'between_them.lowest_price') %}
{%- set highest = of_lateral(has_bar, 'between_them.highest_price') %}

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
begun as (

    select
        fills.*,
        (
            select max(earlier.opened_at)
            from {{ ref('int_bars_numbered') }} as earlier
            where
                earlier.symbol = fills.symbol
                and earlier.opened_at <= fills.created_at
        ) as first_opened_at
    from fills
    {{ kept_apart() }}

),

-- A fill has the mean price of its parts, from the order on.
signal_fills as (

    select
        begun.order_id,
        begun.signal_id,
        begun.symbol,
        begun.filled_price,
        begun.created_at,
        begun.filled_at,
        cast({{ lowest }} as {{ type_money() }}) as lowest_price,
        cast({{ highest }} as {{ type_money() }}) as highest_price
    from begun
    left join
        lateral (
            select
                min(bars.low_price) as lowest_price,
                max(bars.high_price) as highest_price,
                max(bars.closed_at) as closed_at
            from {{ ref('int_bars_numbered') }} as bars
            where
                bars.symbol = begun.symbol
                and bars.opened_at
                >= coalesce(begun.first_opened_at, begun.created_at)
                and bars.opened_at <= begun.filled_at
                and bars.closed_at >= begun.created_at
        ) as between_them
        -- Without the bar of the fill itself, its price is not known.
        on {{ on_lateral(has_bar) }}

)

select * from signal_fills {{ newest_together('order_id') }}
