{#
    An amount of money times a part over a whole, to be rounded by the caller.

    amount, part, whole: names of columns; the whole is above 0.
#}
{% macro proportion(amount, part, whole) -%}
    {{ return(adapter.dispatch('proportion')(amount, part, whole)) }}
{%- endmacro %}

{% macro default__proportion(amount, part, whole) -%}
    {{ amount }} * {{ part }} / {{ whole }}
{%- endmacro %}

{% macro spark__proportion(amount, part, whole) -%}
    {{ spark_cumulative_share(amount, part, whole) }}
{%- endmacro %}
