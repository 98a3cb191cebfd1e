{#
    Whether the rendered statements are kept for rounds of a watch (keep_statements); in a unit test
    they never are.
#}
{% macro is_kept() -%}
    {%- if not execute or model.resource_type != 'model' -%}
        {{ return(false) }}
    {%- endif -%}
    {{ return(graph.nodes[model.unique_id].get('rendered') == 'kept') }}
{%- endmacro %}
