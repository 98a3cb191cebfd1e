{#
    A pre-hook for a model that looks up rows of a large relation by an index, again and again:
    while it is built, the planner does without joins that read all of that relation each time.
#}
{% macro prefer_index_lookups() -%}
    {{ return(planner_without(['enable_hashjoin', 'enable_mergejoin'])) }}
{%- endmacro %}
