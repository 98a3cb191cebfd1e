{#
    A raw row's key as text, as operations.rejected_rows shows it.

    columns: the key's columns.
#}
{% macro row_key(columns) -%}
    concat_ws(', ', {% for column in columns %}cast({{ column }} as text){{ ', ' if not loop.last }}{% endfor %})
{%- endmacro %}
