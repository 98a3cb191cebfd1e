{#
    An aggregate of doubles that takes its rows in a fixed order. Each sum of doubles is rounded, so another
    order may change the last digit.

    aggregate: its name, such as avg.
    arguments: its arguments, as SQL.
    order_by: columns that tell all rows of a group apart, or the argument itself.
#}
{% macro aggregate_in_order(aggregate, arguments, order_by) -%}
    {{ return(adapter.dispatch('aggregate_in_order')(aggregate, arguments, order_by)) }}
{%- endmacro %}

{% macro default__aggregate_in_order(aggregate, arguments, order_by) -%}
    {{ aggregate }}({{ arguments }} order by {{ order_by }})
{%- endmacro %}

{#
    Spark's aggregates have no order: on Spark, the last digit may differ from build to build.
#}
{% macro spark__aggregate_in_order(aggregate, arguments, order_by) -%}
    {{ aggregate }}({{ arguments }})
{%- endmacro %}
