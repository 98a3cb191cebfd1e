{#
    A pre-hook for a model that reads all of a large relation in an order that an index has: while it
    is built in full, the planner sorts instead. Reading the rows in the order of the index fetches
    them from all over the table, which it takes for cheaper than it is once the table is larger than
    the server's buffers.
#}
{% macro prefer_sorts() -%}
    {{ return(planner_without(['enable_indexscan'])) }}
{%- endmacro %}
