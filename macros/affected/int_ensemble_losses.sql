{% macro affected_int_ensemble_losses() %}
    {{ affected_decided_dates() }}
{% endmacro %}
