{% macro affected_int_source_streaks() %}
    {{ affected_wholly([
        'int_source_runs',
        'int_sources',
        'int_windows'
    ]) }}
{% endmacro %}
