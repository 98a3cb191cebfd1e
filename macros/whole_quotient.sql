{#
    How often a whole number goes into another: a quotient without what is left.

    dividend, divisor: expressions for whole numbers; an expression of several terms stands in brackets.
#}
{% macro whole_quotient(dividend, divisor) -%}
    {{ return(adapter.dispatch('whole_quotient')(dividend, divisor)) }}
{%- endmacro %}

{% macro default__whole_quotient(dividend, divisor) -%}
    {{ dividend }} / {{ divisor }}
{%- endmacro %}

{% macro spark__whole_quotient(dividend, divisor) -%}
    {{ dividend }} div {{ divisor }}
{%- endmacro %}
