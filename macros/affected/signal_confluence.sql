{#
    A changed signal, one that an order changed for, and where what a signal refers to changed, every
    signal that refers to it.
#}
{% macro affected_signal_confluence() %}
    {% set signals = 'stg_ai__trading_signals' %}
    select signal_id
    from {{ changes_of(signals) }} as signals

    union

    select signal_id
    from {{ changes_of('int_orders_attributed') }} as attributed_orders
    where signal_id is not null

    union

    select signal_id
    from {{ ref('int_orders_attributed') }}
    where
        signal_id is not null
        and order_id in (
            select order_id from {{ changes_of('stg_platform__trading_orders') }} as orders
        )

    {% for parent, column in [
        ('stg_ai__models', 'model_id'),
        ('stg_platform__micro_patterns', 'pattern_id'),
        ('stg_platform__trade_plans', 'trade_plan_id')
    ] %}
        union

        select signal_id
        from {{ ref(signals) }}
        where {{ column }} in (select {{ column }} from {{ changes_of(parent) }} as changed)
    {% endfor %}
{% endmacro %}
