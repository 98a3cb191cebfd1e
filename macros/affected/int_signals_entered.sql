{% macro affected_int_signals_entered() %}
    select signal_id
    from {{ changes_of('int_signals_placed') }} as placed

    union

    select signal_id
    from {{ changes_of('stg_ai__trading_signals') }} as signals
{% endmacro %}
