{#
    What money, a price or a quantity stays below, whatever its sign. The type of money holds a
    hundred thousand times as much: sums of such values fit as well.
#}
{% macro money_limit() -%}
    1000000000000000
{%- endmacro %}
