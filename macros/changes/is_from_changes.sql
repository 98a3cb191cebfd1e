{#
    Whether the model that is rendered is being built from changes. In a unit test it never is.
#}
{% macro is_from_changes() -%}
    {{ return(model.resource_type == 'model' and is_exact() and is_incremental()) }}
{%- endmacro %}
