{#
    Whether the model is being built from changes; in a unit test it never is. If its SQL is only rendered
    (model_definition, keep_statements), the graph names the form: in full or from changes.
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
