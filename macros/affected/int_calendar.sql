{% macro affected_int_calendar() %}
    {{ affected_wholly([
        'int_signal_days',
        'int_source_days',
        'stg_platform__trading_stats'
    ]) }}
{% endmacro %}
