{% macro affected_int_fills() %}
    select distinct order_id
    from {{ changes_of('stg_platform__trading_orders') }} as orders
{% endmacro %}
