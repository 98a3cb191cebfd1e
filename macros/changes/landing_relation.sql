{#
    The landing table that a model of staging reads.
#}
{% macro landing_relation() -%}
    {%- set table = graph.sources[model.depends_on.nodes[0]] -%}
    {{ return(source(table.source_name, table.name)) }}
{%- endmacro %}
