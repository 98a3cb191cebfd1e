{#
    Changed orders; and where a bar came, went or has another time or close, the orders that were placed from
    its close on, up to the next one.
#}
{% macro affected_int_signal_orders() %}
    select order_id
    from {{ changes_of('int_orders_attributed') }} as attributed_orders

    union

    select order_id
    from {{ changes_of('stg_platform__trading_orders') }} as orders

    union

    select orders.order_id
    from (
        select
            symbol,
            opened_at,
            closed_at
        from {{ changes_of('int_bars_numbered') }} as bars
        group by symbol, opened_at, closed_at, close_price
        having mod(count(*), 2) = 1
    ) as changed
    cross join lateral (
        select min(next_bar.closed_at) as closed_at
        from (
            select bars.closed_at
            from {{ ref('int_bars_numbered') }} as bars
            where
                bars.symbol = changed.symbol
                and bars.opened_at > changed.opened_at
            order by bars.opened_at
            limit 1
        ) as next_bar
    ) as following
    cross join lateral (
        select stored.order_id
        from {{ this }} as stored
        where
            stored.symbol = changed.symbol
            and stored.created_at >= changed.closed_at
            and (following.closed_at is null or stored.created_at < following.closed_at)
        {{ kept_apart() }}
    ) as orders
{% endmacro %}
