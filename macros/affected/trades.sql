{# A changed lot, and every lot whose opening order has another source. #}
{% macro affected_trades() %}
    select
        opening_order_id,
        closing_order_id
    from {{ changes_of('int_lots_closed') }} as lots

    union

    select
        lots.opening_order_id,
        lots.closing_order_id
    from {{ ref('int_lots_closed') }} as lots
    where lots.opening_order_id in (
        select order_id from {{ changes_of('int_orders_attributed') }} as orders
    )
{% endmacro %}
