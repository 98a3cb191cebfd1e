{% macro affected_int_sources() %}
    {{ affected_wholly([
        'stg_ai__models',
        'int_signal_days',
        'int_source_days',
        'int_calendar'
    ]) }}
{% endmacro %}
