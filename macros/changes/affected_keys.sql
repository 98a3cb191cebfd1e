{#
    The query for the keys of all rows of a model that what changed in its parents may alter: for a
    model of staging the keys of the changed landing rows; for another one as its meta declares,
    `follows`; or where that cannot say it, that of the macro affected_<model>.
#}
{% macro affected_keys() %}
    {% set parents = parent_names() %}
    {% set follows = config.get('meta', {}).get('follows') %}
    {% if not parents %}
        {{ affected_in_landing() }}
    {% elif follows == 'whole' %}
        select true as is_changed
        where
            {% for id in model.depends_on.nodes -%}
            exists (select from {{ changes_of(graph.nodes[id].name) }} as changed)
            {{- ' or ' if not loop.last }}
            {%- endfor %}
    {% elif follows %}
        {{ keys_that_follow(follows) }}
    {% else %}
        {% set affected = context.get('affected_' ~ model.name) %}
        {% if not affected %}
            {{ exceptions.raise_compiler_error(
                model.name ~ ': say in its meta what it follows, or write a macro affected_'
                ~ model.name
            ) }}
        {% endif %}
        {{ affected() }}
    {% endif %}
{% endmacro %}
