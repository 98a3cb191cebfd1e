{#
    The end of a subquery that takes the nearest() of its rows.

    order_by: the order in which the first row is the nearest.
#}
{% macro first_only(order_by) -%}
    {{ return(adapter.dispatch('first_only')(order_by)) }}
{%- endmacro %}

{% macro default__first_only(order_by) -%}
    {{ 'order by ' ~ order_by ~ '\n            limit 1' }}
{%- endmacro %}

{% macro spark__first_only(order_by) -%}
{%- endmacro %}
