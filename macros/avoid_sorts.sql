{#
    A pre-hook for a model that reduces a large relation to few rows: while it is built in full, the planner
    groups by hashing. By default it sorts if the groups may not fit into memory, but a sort writes every
    row to disk, and hashing only the groups that do not fit.
#}
{% macro avoid_sorts() -%}
    {{ return(planner_without(['enable_sort'])) }}
{%- endmacro %}
