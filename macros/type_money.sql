{#
    The type of money, prices and quantities: eight decimals, as exchanges quote them.
#}
{% macro type_money() -%}
    numeric(28, 8)
{%- endmacro %}
