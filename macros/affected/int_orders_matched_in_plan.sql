{# A plan's signals and orders decide on one another. #}
{% macro affected_int_orders_matched_in_plan() %}
    select trade_plan_id
    from {{ changes_of('stg_platform__trading_orders') }} as orders
    where trade_plan_id is not null

    union

    select trade_plan_id
    from {{ changes_of('stg_ai__trading_signals') }} as signals
    where trade_plan_id is not null
{% endmacro %}
