{#
    The condition that the model can be built from changes: its rows were built with the present code, and
    the books hold all changed rows of its parents since.
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
