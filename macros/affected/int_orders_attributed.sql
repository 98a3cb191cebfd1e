{#
    A changed order or match; and where what an order refers to changed, the order as it refers to it
    so far: had it come to refer to something else, its match would have changed.
#}
{% macro affected_int_orders_attributed() %}
    select order_id
    from {{ changes_of('stg_platform__trading_orders') }} as orders

    union

    select order_id
    from {{ changes_of('int_orders_matched_in_plan') }} as matched_in_plan

    union

    select order_id
    from {{ changes_of('int_orders_matched_as_of') }} as matched_as_of

    {% for parent, column in [
        ('stg_ai__trading_signals', 'signal_id'),
        ('stg_ai__models', 'model_id'),
        ('stg_platform__trade_plans', 'trade_plan_id')
    ] %}
        union

        select order_id
        from {{ this }}
        where {{ column }} in (select {{ column }} from {{ changes_of(parent) }} as changed)
    {% endfor %}
{% endmacro %}
