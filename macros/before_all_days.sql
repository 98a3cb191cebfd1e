{#
    A day before all others.
#}
{% macro before_all_days() -%}
    {{ return(adapter.dispatch('before_all_days')()) }}
{%- endmacro %}

{% macro default__before_all_days() -%}
    '-infinity'
{%- endmacro %}

{% macro spark__before_all_days() -%}
    date '0001-01-01'
{%- endmacro %}
