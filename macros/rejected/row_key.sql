{#
    A raw row's key as text, as operations.rejected_rows shows it; of a long one, the beginning and a hash.

    columns: the key's columns.
#}
{% macro row_key(columns) -%}
    {%- set text -%}
        concat_ws(', ', {% for column in columns %}cast({{ column }} as text){{ ', ' if not loop.last }}{% endfor %})
    {%- endset -%}
    case when octet_length({{ text }}) <= 2000 then {{ text }} else left({{ text }}, 400) || md5({{ text }}) end
{%- endmacro %}
