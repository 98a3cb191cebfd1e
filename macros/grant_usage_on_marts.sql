{#
    After a run, readers may enter the schemas of the marts that it built; never a developer's.
#}
{% macro grant_usage_on_marts() %}
    {{ return(adapter.dispatch('grant_usage_on_marts')()) }}
{% endmacro %}

{% macro default__grant_usage_on_marts() %}
    {% if execute and target.name == 'prod' %}
        {% set schemas = [] %}
        {% for result in results if result.status == 'success' %}
            {% set node = result.node %}
            {% if
                node.resource_type == 'model'
                and node.fqn[1] == 'marts'
                and node.schema not in schemas
            %}
                {% do schemas.append(node.schema) %}
            {% endif %}
        {% endfor %}
        {% for schema in schemas %}
            grant usage on schema {{ adapter.quote(schema) }} to bi_reader;
        {% endfor %}
    {% endif %}
{% endmacro %}

{% macro spark__grant_usage_on_marts() %}
{% endmacro %}
