{#
    The condition that a row is affected: it agrees with one of `affected` in all of affected_columns(),
    and where these have a suffix, comes at its bound or later.

    relation: the name of what has the row, with the columns of the model.
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
