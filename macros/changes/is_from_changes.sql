{#
    Whether the model that is rendered is being built from changes. In a unit test it never is. Where
    its SQL is only asked for, of either form (model_definition, keep_statements), the graph says which.
#}
{% macro is_from_changes() -%}
    {%- if not execute or model.resource_type != 'model' -%}
        {{ return(false) }}
    {%- endif -%}
    {%- set asked = graph.nodes[model.unique_id].get('rendered') -%}
    {%- if asked -%}
        {{ return(asked != 'full') }}
    {%- endif -%}
    {{ return(is_incremental() and (is_exact() or has_known_changes())) }}
{%- endmacro %}
