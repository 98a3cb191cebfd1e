{% macro affected_source_performance_daily() %}
    {{ affected_wholly([
        'int_source_days',
        'int_sources',
        'int_calendar',
        'int_windows'
    ]) }}
{% endmacro %}
