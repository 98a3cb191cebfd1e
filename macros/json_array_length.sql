{#
    The number of entries of a JSON array. NULL where the document is no array.
#}
{% macro json_array_length(document) -%}
    {{ return(adapter.dispatch('json_array_length')(document)) }}
{%- endmacro %}

{% macro default__json_array_length(document) -%}
    case
        when jsonb_typeof({{ document }}) = 'array' then jsonb_array_length({{ document }})
    end
{%- endmacro %}

{% macro spark__json_array_length(document) -%}
    json_array_length({{ document }})
{%- endmacro %}
