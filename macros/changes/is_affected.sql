{#
    The condition that a row is affected: it equals a row of `affected` in all affected_columns(), and in a
    model with a suffix it comes at the bound or later.

    relation: the name of the relation that has the row, with the model's columns.
#}
{% macro is_affected(relation) -%}
    {%- set suffix = affected_suffix() -%}
    {%- set conditions = [] -%}
    {%- for column in affected_columns() -%}
        {%- do conditions.append(relation ~ '.' ~ column ~ ' = affected.' ~ column) -%}
    {%- endfor -%}
    {%- if suffix -%}
        {%- do conditions.append(
            [relation ~ '.' ~ suffix.column, suffix.comparison, 'affected.' ~ suffix.bound] | join(' ')
        ) -%}
    {%- endif -%}
    {{ return(conditions | join(' and ')) }}
{%- endmacro %}
