{#
    The query for the keys of a model's rows that changed rows of its parents may alter. A staging model:
    the keys of the changed landing rows. Any other model: as `follows` in its meta declares, or, where
    `follows` cannot express it, the macro affected_<model>.
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
