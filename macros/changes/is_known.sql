{#
    The condition that what the books say of the model that is built holds: its rows were built with
    this code, and all that changed since in what it reads is told.
#}
{% macro is_known() -%}
    {{ are_followed(parent_names()) }}
    {%- if is_exact() %}
    and exists (
        select from {{ changes_table('relations') }}
        where
            relation = {{ relation_name(this) }}
            and definition = '{{ model_definition() }}'
    )
    {%- endif %}
{%- endmacro %}
