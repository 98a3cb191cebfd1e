{% macro affected_int_windows() %}
    {{ affected_wholly([
        'int_calendar',
        'int_signal_days',
        'int_source_days',
        'stg_ai__market_bars',
        'stg_platform__trading_stats'
    ]) }}
{% endmacro %}
