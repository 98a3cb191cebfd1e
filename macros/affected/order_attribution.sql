{% macro affected_order_attribution() %}
    select distinct order_id
    from {{ changes_of('int_orders_attributed') }} as orders
{% endmacro %}
