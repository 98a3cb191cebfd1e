{#
    For a model where a change affects all later rows of its group: the stored column that orders the rows,
    and the column of `affected` that holds the bound. None for other models. The model's meta names the
    column as `affected_from`, or as `affected_after` where rows at the bound are not affected, and the
    groups as `affected_by`; without it, all rows are one group.
#}
{% macro affected_suffix() -%}
    {%- set meta = config.get('meta', {}) -%}
    {%- for kind, comparison in [('from', '>='), ('after', '>')] if 'affected_' ~ kind in meta -%}
        {%- set column = meta['affected_' ~ kind] -%}
        {{ return({'column': column, 'bound': kind ~ '_' ~ column, 'comparison': comparison}) }}
    {%- endfor -%}
    {{ return(none) }}
{%- endmacro %}
