{#
    A whole number of eight bytes, as a row's number is on PostgreSQL.
#}
{% macro whole_number(number) -%}
    {{ return(adapter.dispatch('whole_number')(number)) }}
{%- endmacro %}

{% macro default__whole_number(number) -%}
    {{ number }}
{%- endmacro %}

{% macro spark__whole_number(number) -%}
    cast({{ number }} as bigint)
{%- endmacro %}
