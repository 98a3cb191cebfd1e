{#
    The end of a subquery that is planned by itself and not merged into the query around it.

    A lateral subquery is then run for each row before it: the planner may else join all at once, and
    where it guesses too many rows it reads all of a large relation for a few. And a long expression is
    computed once: merged, it is copied to each place that names its column, and planning a chain of
    such expressions takes longer than running it.
#}
{% macro kept_apart() -%}
    offset 0
{%- endmacro %}
