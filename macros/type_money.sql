{#
    The type of money, prices and quantities. A cast to it rounds to the var money_decimals.
#}
{% macro type_money() -%}
    {# The linter has no value for a var: the default of int is for it alone. #}
    numeric(38, {{ var('money_decimals') | int(1) }})
{%- endmacro %}
