{#
    The query for the keys of all rows of a model that what changed in its parents may alter: that of
    the macro affected_<model>, and for a model of staging the keys of the changed landing rows.
#}
{% macro affected_keys() %}
    {% if parent_names() %}
        {{ context['affected_' ~ model.name]() }}
    {% else %}
        {{ affected_in_landing() }}
    {% endif %}
{% endmacro %}
