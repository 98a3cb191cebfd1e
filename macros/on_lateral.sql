{#
    The condition on which a lateral subquery is joined. On Spark it may not name the subquery's columns: there
    every row is joined, and of_lateral() asks.
#}
{% macro on_lateral(condition) -%}
    {{ return(adapter.dispatch('on_lateral')(condition)) }}
{%- endmacro %}

{% macro default__on_lateral(condition) -%}
    {{ condition }}
{%- endmacro %}

{% macro spark__on_lateral(condition) -%}
    true
{%- endmacro %}
