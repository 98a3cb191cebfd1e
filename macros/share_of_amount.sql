{#
    The share of an amount that falls on a part of a quantity, as the difference of two rounded
    cumulative shares. The shares of parts that follow each other from 0 to the whole add up to the
    amount exactly, however they are rounded.

    amount: the amount to split, such as a fee.
    quantity_before: the quantity of the parts before this one.
    quantity: the quantity of this part.
    total_quantity: the whole quantity; above 0.
#}
{% macro share_of_amount(amount, quantity_before, quantity, total_quantity) -%}
    cast(
        cast(
            {{ amount }} * ({{ quantity_before }} + {{ quantity }}) / {{ total_quantity }}
            as {{ type_money() }}
        )
        - cast(
            {{ amount }} * {{ quantity_before }} / {{ total_quantity }}
            as {{ type_money() }}
        )
        as {{ type_money() }}
    )
{%- endmacro %}
