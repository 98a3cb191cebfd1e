{#
    Whether the model is being built from changes; in a unit test it never is. If its SQL is only rendered
    (model_definition, keep_statements), the graph names the form: in full or from changes. Otherwise it is
    asked once per run, and the graph keeps the answer as it does for books_of_model.
#}
{% macro is_from_changes() -%}
    {%- if not execute or model.resource_type != 'model' -%}
        {{ return(false) }}
    {%- endif -%}
    {%- set node = graph.nodes[model.unique_id] -%}
    {%- if node.get('rendered') -%}
        {{ return(node.rendered != 'full') }}
    {%- endif -%}
    {%- if node.get('form', {}).get('run') != invocation_id -%}
        {%- set is_from_changes = is_incremental() and (is_exact() or has_known_changes()) -%}
        {%- do node.update({'form': {'run': invocation_id, 'is_from_changes': is_from_changes}}) -%}
    {%- endif -%}
    {{ return(node.form.is_from_changes) }}
{%- endmacro %}
