{#
    A query for the signals that were valid when one of some orders of their symbol came.

    orders: a relation or CTE with symbol and created_at.
#}
{% macro signals_valid_at(orders) -%}
    {%- set signals = ref('stg_ai__trading_signals') -%}
    select distinct
        valid_signals.signal_id,
        valid_signals.symbol,
        valid_signals.signal_type,
        valid_signals.created_at,
        valid_signals.valid_until_at
    from {{ orders }} as orders_in_question
    inner join {{ signals }} as valid_signals
        on
            orders_in_question.symbol = valid_signals.symbol
            and valid_signals.created_at <= orders_in_question.created_at
            -- No signal lives longer than the longest: so far back the index need be read.
            and valid_signals.created_at >= orders_in_question.created_at - (
                select max({{ lifetime_hours() }}) * interval '1 hour' from {{ signals }}
            )
            and valid_signals.valid_until_at > orders_in_question.created_at
{%- endmacro %}
