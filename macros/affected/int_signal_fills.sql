{#
    Changed orders; and where prices of bars changed, the symbol's orders that were placed before the last of
    these bars closed and filled after the first one opened. A bar that only got another number has as many
    old images as new ones.
#}
{% macro affected_int_signal_fills() %}
    select order_id
    from {{ changes_of('int_signal_orders') }} as signal_orders

    union

    select closing_order_id as order_id
    from {{ changes_of('int_lots_closed') }} as lots

    union

    select order_id
    from {{ changes_of('stg_platform__trading_orders') }} as orders

    union

    select fills.order_id
    from (
        select
            symbol,
            min(opened_at) as from_at,
            max(closed_at) as to_at
        from (
            select
                symbol,
                opened_at,
                closed_at
            from {{ changes_of('int_bars_numbered') }} as bars
            group by symbol, opened_at, closed_at, low_price, high_price
            having mod(count(*), 2) = 1
        ) as changed
        group by symbol
    ) as stretches
    cross join lateral (
        select stored.order_id
        from {{ this }} as stored
        where
            stored.symbol = stretches.symbol
            and stored.filled_at >= stretches.from_at
            and stored.created_at <= stretches.to_at
        {{ kept_apart() }}
    ) as fills
{% endmacro %}
