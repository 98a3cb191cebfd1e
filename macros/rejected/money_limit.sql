{#
    The limit for the absolute value of money, a price or a quantity. The type of money holds a hundred
    thousand times as much, so sums of such values fit too.
#}
{% macro money_limit() -%}
    1000000000000000
{%- endmacro %}
