{# A day on which a changed signal came or comes. #}
{% macro affected_int_signal_days() %}
    select distinct {{ utc_date('created_at') }} as trading_date
    from {{ changes_of('stg_ai__trading_signals') }} as signals
{% endmacro %}
