{#
    An aggregate: the sum of doubles from -1 to 1, the same in any order of the rows. Each double is rounded
    to a multiple of 1e-15, its last digit. The sum is a numeric, so that sums of sums are exact too.
#}
{% macro sum_exactly(expression) -%}
    {{ return(adapter.dispatch('sum_exactly')(expression)) }}
{%- endmacro %}

{% macro default__sum_exactly(expression) -%}
    sum(cast(round(({{ expression }}) * 1e15) as bigint)) * 0.000000000000001
{%- endmacro %}

{% macro spark__sum_exactly(expression) -%}
    sum(cast(
        cast(rint(({{ expression }}) * 1e15) as decimal(18, 0)) * 0.000000000000001
        as decimal(38, 15)
    ))
{%- endmacro %}
