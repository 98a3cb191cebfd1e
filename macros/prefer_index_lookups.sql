{#
    A pre-hook for a model that looks up rows of a large relation by an index many times: while it is built,
    the planner avoids joins that read all of that relation each time.
#}
{% macro prefer_index_lookups() -%}
    {{ return(planner_without(['enable_hashjoin', 'enable_mergejoin'])) }}
{%- endmacro %}
