{% macro affected_int_ensemble_calendar() %}
    {{ affected_wholly([
        'int_ensemble_bars',
        'int_ensemble_experts'
    ]) }}
{% endmacro %}
