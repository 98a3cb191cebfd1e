{#
    An aggregate of doubles that takes its rows in one order. Each sum of doubles is rounded: in
    another order, the last digit is another one.

    aggregate: its name, such as avg.
    arguments: what it is given, as SQL.
    order_by: columns that tell all rows of a group apart, or the argument itself.
#}
{% macro aggregate_in_order(aggregate, arguments, order_by) -%}
    {{ return(adapter.dispatch('aggregate_in_order')(aggregate, arguments, order_by)) }}
{%- endmacro %}

{% macro default__aggregate_in_order(aggregate, arguments, order_by) -%}
    {{ aggregate }}({{ arguments }} order by {{ order_by }})
{%- endmacro %}

{#
    Spark's aggregates know no order: there, the last digit may differ from build to build.
#}
{% macro spark__aggregate_in_order(aggregate, arguments, order_by) -%}
    {{ aggregate }}({{ arguments }})
{%- endmacro %}
