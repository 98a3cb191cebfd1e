{#
    The sum of the profits above 0 over the absolute sum of those below 0; NULL without a loss.

    gross_profit: the sum of the profits above 0.
    gross_loss: the sum of the profits below 0, so 0 or below.
#}
{% macro profit_factor(gross_profit, gross_loss) -%}
    cast({{ gross_profit }} as {{ type_double() }})
    / abs(nullif(cast({{ gross_loss }} as {{ type_double() }}), 0))
{%- endmacro %}
