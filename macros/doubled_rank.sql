{#
    The rank of a value among the rows of its group, from the lowest; equal values share the mean of their
    ranks. Doubled, plus one, so that it is a whole number.

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
