{#
    Whether the model that is rendered is being built from changes. In a unit test it never is. Where
    its SQL is only asked for, of either form (model_definition), the graph says which.
#}
{% macro is_from_changes() -%}
    {%- if model.resource_type != 'model' or not is_exact() -%}
        {{ return(false) }}
    {%- endif -%}
    {%- set asked = graph.nodes[model.unique_id].get('rendered') -%}
    {{ return(asked == 'changes' if asked else is_incremental()) }}
{%- endmacro %}
