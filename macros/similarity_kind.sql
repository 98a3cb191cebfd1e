{#
    The columns that signals share at a level of similarity: the level, and each column of similarity_levels,
    empty if the level does not use it.
#}
{% macro similarity_kind(level) -%}
    {%- set columns = similarity_levels()[level] -%}
    '{{ level }}' as similarity_level,
    {{ 'confidence_bin' if 'confidence_bin' in columns else 0 }} as confidence_bin,
    {{ 'relation' if 'relation' in columns else "''" }} as relation,
    {{ 'symbol' if 'symbol' in columns else "''" }} as symbol
{%- endmacro %}
