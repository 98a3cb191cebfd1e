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
    {{ return(adapter.dispatch('share_of_amount')(
        amount, quantity_before, quantity, total_quantity
    )) }}
{%- endmacro %}

{% macro default__share_of_amount(amount, quantity_before, quantity, total_quantity) -%}
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

{% macro spark__share_of_amount(amount, quantity_before, quantity, total_quantity) -%}
    cast(
        {{ spark_cumulative_share(amount, quantity_before ~ ' + ' ~ quantity, total_quantity) }}
        - {{ spark_cumulative_share(amount, quantity_before, total_quantity) }}
        as {{ type_money() }}
    )
{%- endmacro %}

{#
    amount * part / total, rounded once. Spark has 38 digits, fewer than the product: so it is divided as on
    paper, four digits of the amount at a time, in units of the last decimal.
#}
{% macro spark_cumulative_share(amount, part, total) -%}
    {%- set units = [] -%}
    {%- for number in ['abs(' ~ amount ~ ')', part, total] -%}
        {%- do units.append(
            "replace(cast(cast(" ~ number ~ " as decimal(38, 18)) as string), '.', '')"
        ) -%}
    {%- endfor -%}
    {%- set part_units = 'cast(' ~ units[1] ~ ' as decimal(38, 0))' -%}
    {%- set total_units = 'cast(' ~ units[2] ~ ' as decimal(38, 0))' -%}
    {%- set digits = "lpad(" ~ units[0] ~ ", 40, '0')" -%}
    {%- set dividend -%}
        (divided.rest * 10000 + cast(substr({{ digits }}, place, 4) as decimal(4, 0)) * {{ part_units }})
    {%- endset -%}
    cast(sign({{ amount }}) as decimal(1, 0)) * aggregate(
        sequence(1, 37, 4),
        named_struct(
            'quotient', cast(0 as decimal(38, 0)), 'rest', cast(0 as decimal(38, 0))
        ),
        (divided, place) -> named_struct(
            'quotient', cast(
                divided.quotient * 10000 + ({{ dividend }} div {{ total_units }})
                as decimal(38, 0)
            ),
            'rest', cast({{ dividend }} % {{ total_units }} as decimal(38, 0))
        ),
        divided -> cast(
            (
                divided.quotient
                + case when 2 * divided.rest >= {{ total_units }} then 1 else 0 end
            ) * 0.000000000000000001 as decimal(38, 18)
        )
    )
{%- endmacro %}
