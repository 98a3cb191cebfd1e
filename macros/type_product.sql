{#
    The type of a price times a quantity, to its last decimal, with room for amounts that no account has.
#}
{% macro type_product() -%}
    {{ return(adapter.dispatch('type_product')()) }}
{%- endmacro %}

{% macro default__type_product() -%}
    {# The linter has no value for a var: the default of int is for it alone. #}
    numeric(100, {{ 2 * (var('money_decimals') | int(1)) }})
{%- endmacro %}

{#
    Spark has 38 digits: the decimals of money.
#}
{% macro spark__type_product() -%}
    {{ type_money() }}
{%- endmacro %}
