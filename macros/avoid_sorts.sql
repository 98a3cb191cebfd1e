{#
    A pre-hook for a model that brings a large relation down to few rows: while it is built in full,
    the planner groups by hashing. It would rather sort where the groups may not fit into memory, and
    a sort writes every row to disk where hashing writes the groups that did not fit.
#}
{% macro avoid_sorts() -%}
    {{ return(planner_without(['enable_sort'])) }}
{%- endmacro %}
