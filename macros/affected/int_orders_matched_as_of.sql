{# A changed order, and every order that came while a changed signal was or is valid. #}
{% macro affected_int_orders_matched_as_of() %}
    select order_id
    from {{ changes_of('stg_platform__trading_orders') }} as changed_orders

    union

    select orders.order_id
    from {{ changes_of('stg_ai__trading_signals') }} as signals
    inner join {{ ref('stg_platform__trading_orders') }} as orders
        on
            signals.symbol = orders.symbol
            and signals.created_at <= orders.created_at
            and signals.valid_until_at > orders.created_at
    where orders.trade_plan_id is null
{% endmacro %}
