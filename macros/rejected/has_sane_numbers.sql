{#
    The condition that the numbers of a JSON array's entries can be read as doubles, for json_number: the
    numbers directly in each entry, not those nested deeper.
#}
{% macro has_sane_numbers(document) -%}
    {{ return(adapter.dispatch('has_sane_numbers')(document)) }}
{%- endmacro %}

{% macro default__has_sane_numbers(document) -%}
    not jsonb_path_exists(
        {{ document }},
        '$[*].* ? (@.type() == "number" && (@.abs() > 1e100 || @ != 0 && @.abs() < 1e-100))'
    )
{%- endmacro %}

{% macro spark__has_sane_numbers(document) -%}
    true
{%- endmacro %}
