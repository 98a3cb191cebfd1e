{#
    A pre-hook for a model that reads all of a large relation in the order of an index: while it is built in
    full, the planner sorts instead. Reading in index order fetches rows from all over the table, and the
    planner underestimates this cost once the table is larger than the server's buffers.
#}
{% macro prefer_sorts() -%}
    {{ return(planner_without(['enable_indexscan'])) }}
{%- endmacro %}
