{#
    A pre-hook for a model that looks up rows of a large relation by an index, again and again:
    while it is built, the planner does without joins that read all of that relation each time.
#}
{% macro prefer_index_lookups() -%}
    {{ return(adapter.dispatch('prefer_index_lookups')()) }}
{%- endmacro %}

{% macro default__prefer_index_lookups() -%}
    {%- if not is_from_changes() -%}
        set local enable_hashjoin = off;
        set local enable_mergejoin = off
    {%- endif -%}
{%- endmacro %}

{% macro spark__prefer_index_lookups() -%}
{%- endmacro %}
