{% macro affected_int_model_rank_ics() %}
    {{ affected_wholly([
        'int_windows',
        'int_model_rank_ics_daily',
        'int_signals_forward'
    ]) }}
{% endmacro %}
