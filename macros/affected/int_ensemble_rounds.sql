{% macro affected_int_ensemble_rounds() %}
    {{ affected_decided_dates() }}
{% endmacro %}
