{# A changed order, and every order that came while a changed signal was or is valid. #}
{% macro affected_int_orders_matched_as_of() %}
    select order_id
    from {{ changes_of('stg_platform__trading_orders') }} as changed_orders

    union

    select orders.order_id
    from {{ changes_of('stg_ai__trading_signals') }} as signals
    cross join lateral (
        select stored.order_id
        from {{ ref('stg_platform__trading_orders') }} as stored
        where
            stored.symbol = signals.symbol
            and stored.created_at >= signals.created_at
            and stored.created_at < signals.valid_until_at
            and stored.trade_plan_id is null
        {{ kept_apart() }}
    ) as orders
{% endmacro %}
