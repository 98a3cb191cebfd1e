{#
    Whether the rendered statements are kept for rounds of a watch (keep_statements).
#}
{% macro is_kept() -%}
    {{ return(graph.get('nodes', {}).get(model.unique_id, {}).get('rendered') == 'kept') }}
{%- endmacro %}
