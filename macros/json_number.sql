{#
    The number at a path of a JSON document, as a double. NULL if the path does not exist or holds no
    number: a document that a module wrote must not stop a build.

    path: a list of keys and array positions, such as [0, 'amplitude'].
#}
{% macro json_number(document, path) -%}
    {{ return(adapter.dispatch('json_number')(
        document, require_list('json_number', 'path', path)
    )) }}
{%- endmacro %}

{% macro default__json_number(document, path) -%}
    {%- set place = "'{" ~ path | join(',') ~ "}'" -%}
    case
        when jsonb_typeof({{ document }} #> {{ place }}) = 'number'
            then cast({{ document }} #>> {{ place }} as {{ type_double() }})
    end
{%- endmacro %}

{% macro spark__json_number(document, path) -%}
    {%- set steps = [] -%}
    {%- for step in path -%}
        {%- do steps.append('[' ~ step ~ ']' if step is number else '.' ~ step) -%}
    {%- endfor -%}
    try_cast(get_json_object({{ document }}, '${{ steps | join }}') as double)
{%- endmacro %}
