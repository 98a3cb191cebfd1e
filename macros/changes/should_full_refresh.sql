{#
    dbt's own macro, and one more reason to build an incremental model in full: its changes cannot be
    told, since it or its code is new, or a parent was built in full after it was last read.
#}
{% macro should_full_refresh() %}
    {% set asked = config.get('full_refresh') %}
    {% if asked is none %}
        {% set asked = flags.FULL_REFRESH %}
    {% endif %}
    {% if asked or not execute or not is_exact() %}
        {{ return(asked) }}
    {% endif %}
    {# Outside of a build the model is shown as it is built in full. #}
    {{ return(flags.WHICH not in ('build', 'run') or not books_of_model().is_known) }}
{% endmacro %}
