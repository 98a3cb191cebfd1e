{#
    In a model where a change touches all later rows of its group, the stored column that orders them
    and the column of `affected` with the bound: none in any other. The model's meta names the column as
    `affected_from`, or as `affected_after` where the rows at the bound are not touched. The groups are
    those of `affected_by`; without that, there is one.
#}
{% macro affected_suffix() -%}
    {%- set meta = config.get('meta', {}) -%}
    {%- for kind, comparison in [('from', '>='), ('after', '>')] if 'affected_' ~ kind in meta -%}
        {%- set column = meta['affected_' ~ kind] -%}
        {{ return({'column': column, 'bound': kind ~ '_' ~ column, 'comparison': comparison}) }}
    {%- endfor -%}
    {{ return(none) }}
{%- endmacro %}
