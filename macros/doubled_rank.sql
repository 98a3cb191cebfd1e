{#
    The rank of a value among the rows of its group, from the lowest, where values that are the same
    share the mean of their ranks. Doubled, and one more, so that it is a whole number.

    value: a column.
    group: columns, a list.
#}
{% macro doubled_rank(value, group) -%}
    2 * rank() over (
        partition by {{ group | join(', ') }}
        order by {{ value }}
    ) + count(*) over (
        partition by {{ group | join(', ') }}, {{ value }}
    )
{%- endmacro %}
