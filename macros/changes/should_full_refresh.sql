{#
    dbt's own macro, and one more reason to build an incremental model in full: its changes cannot be
    told, since it or its code is new, or a parent was built in full after it was last read.
#}
{% macro should_full_refresh() %}
    {% set asked = config.get('full_refresh') %}
    {% if asked is none %}
        {% set asked = flags.FULL_REFRESH %}
    {% endif %}
    {% if not execute or not is_exact() %}
        {{ return(asked) }}
    {% endif %}
    {# Outside of a build the model is shown as it is built in full. In one the books are asked in any
       case: that holds them before dbt drops what a killed build left. #}
    {{ return(flags.WHICH not in ('build', 'run') or not books_of_model().is_known or asked) }}
{% endmacro %}
