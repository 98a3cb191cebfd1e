{#
    A text without the blanks around it: a column of type char(n) pads its values with blanks.
#}
{% macro trimmed(column) -%}
    {{ return(adapter.dispatch('trimmed')(column)) }}
{%- endmacro %}

{% macro default__trimmed(column) -%}
    btrim({{ column }}, e' \t\r\n')
{%- endmacro %}

{% macro spark__trimmed(column) -%}
    trim(both ' \t\r\n' from {{ column }})
{%- endmacro %}
