{#
    The condition that narrows a relation to the affected rows where the model is built from changes,
    and nothing where it is built in full.

    columns: the relation's columns, one or a list.
    keys: the columns of `affected` that they are compared with; by default of the same names.
#}
{% macro where_affected(columns, keys=none) -%}
    {%- if is_from_changes() -%}
        {%- set columns = [columns] if columns is string else columns -%}
        {%- set keys = keys or columns -%}
        {%- set keys = [keys] if keys is string else keys -%}
        where ({{ columns | join(', ') }}) in (select {{ keys | join(', ') }} from affected)
    {%- endif -%}
{%- endmacro %}
