{#
    The end of a lateral subquery that is run for each row before it. Without it the planner may join
    all at once, and where it guesses too many rows it reads all of a large relation for a few.
#}
{% macro for_each_row() -%}
    offset 0
{%- endmacro %}
