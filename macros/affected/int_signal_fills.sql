{#
    Changed orders; and where prices of bars changed, the symbol's orders that were placed before the last of
    these bars closed and filled after the first one opened.
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
            {{ moved_bars(changes_of('int_bars_numbered')) | indent(12) }}
        ) as moved
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
