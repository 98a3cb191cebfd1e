{# A pair of orders whose match changed, or either of whose fills did. #}
{% macro affected_int_lots_closed() %}
    with changed_fills as (

        select distinct order_id
        from {{ changes_of('int_fills') }} as fills

    )

    {% for parent in ['int_fills_matched_in_plan', 'int_fills_matched_in_symbol'] %}
        select
            buy_order_id,
            sell_order_id
        from {{ changes_of(parent) }} as matched

        {% for side in ['buy_order_id', 'sell_order_id'] %}
            union

            select
                buy_order_id,
                sell_order_id
            from {{ ref(parent) }} as matched
            where {{ side }} in (select order_id from changed_fills)
        {% endfor %}

        {{ 'union' if not loop.last }}
    {% endfor %}
{% endmacro %}
