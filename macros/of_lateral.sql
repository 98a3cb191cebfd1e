{#
    A column of a lateral subquery that is joined on_lateral(): NULL where the condition does not hold.
#}
{% macro of_lateral(condition, column) -%}
    {{ return(adapter.dispatch('of_lateral')(condition, column)) }}
{%- endmacro %}

{% macro default__of_lateral(condition, column) -%}
    {{ column }}
{%- endmacro %}

{% macro spark__of_lateral(condition, column) -%}
    case when {{ condition }} then {{ column }} end
{%- endmacro %}
