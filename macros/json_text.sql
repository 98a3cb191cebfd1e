{#
    The value under a key of a JSON document, as a text. NULL if the document has no such key.
#}
{% macro json_text(document, key) -%}
    {{ return(adapter.dispatch('json_text')(document, key)) }}
{%- endmacro %}

{% macro default__json_text(document, key) -%}
    ({{ document }} ->> '{{ key }}')
{%- endmacro %}

{% macro spark__json_text(document, key) -%}
    get_json_object({{ document }}, '$.{{ key }}')
{%- endmacro %}
