{#
    The end of a subquery that the planner must not merge into the query around it.

    A lateral subquery then runs once for each row before it; otherwise the planner may join everything at
    once, and read all of a large relation for a few rows. A long expression is then computed once; merged,
    it would be copied to each use of its column, and planning a chain of such expressions takes longer than
    running it.
#}
{% macro kept_apart() -%}
    offset 0
{%- endmacro %}
