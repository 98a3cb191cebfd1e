{% macro affected_int_open_positions() %}
    select order_id
    from {{ changes_of('int_fills') }} as fills

    union

    select order_id
    from {{ changes_of('int_orders_attributed') }} as orders

    union

    select opening_order_id
    from {{ changes_of('int_lots_closed') }} as lots

    union

    select closing_order_id
    from {{ changes_of('int_lots_closed') }} as lots
{% endmacro %}
