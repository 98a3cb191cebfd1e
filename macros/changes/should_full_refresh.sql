{#
    Replaces dbt's macro, with one more reason for a full build: the changes are unknown, because the model
    or its code is new, or a parent was built in full after the model last read it.
#}
{% macro should_full_refresh() %}
    {% set asked = config.get('full_refresh') %}
    {% if asked is none %}
        {% set asked = flags.FULL_REFRESH %}
    {% endif %}
    {% if not execute or not is_exact() %}
        {{ return(asked) }}
    {% endif %}
    {# Outside of a build, render the form of a full build. In a build, always ask the books: this locks
       them before dbt drops the tables that a killed build left. #}
    {{ return(flags.WHICH not in ('build', 'run') or not books_of_model().is_known or asked) }}
{% endmacro %}
