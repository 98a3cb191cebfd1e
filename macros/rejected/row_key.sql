{#
    A raw row's key as a text, for people and in operations.rejected_rows.

    columns: the key's columns.
#}
{% macro row_key(columns) -%}
    concat_ws(', ', {% for column in columns %}cast({{ column }} as text){{ ', ' if not loop.last }}{% endfor %})
{%- endmacro %}
