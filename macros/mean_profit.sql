{#
    The mean of profits: the expectancy, if they are those of all trades. NULL without trades.

    profit: the sum of the profits.
    trades: their number.
#}
{% macro mean_profit(profit, trades) -%}
    cast({{ profit }} as {{ type_double() }})
    / nullif({{ trades }}, 0)
{%- endmacro %}
