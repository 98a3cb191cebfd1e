{#
    What a subquery without a group takes of the first of its rows, which has the smallest or the largest
    value as well. Spark takes that: for each row around it, it has no first row of others.

    aggregate: min or max.
    column: the subquery's column.
#}
{% macro nearest(aggregate, column) -%}
    {{ return(adapter.dispatch('nearest')(aggregate, column)) }}
{%- endmacro %}

{% macro default__nearest(aggregate, column) -%}
    {{ column }}
{%- endmacro %}

{% macro spark__nearest(aggregate, column) -%}
    {{ aggregate }}({{ column }})
{%- endmacro %}
