{#
    The columns of `affected` that a model's rows agree with: those of its unique key, or those that its
    meta names, `affected_by`; where a suffix is affected (affected_suffix), none but these.
#}
{% macro affected_columns() -%}
    {%- set columns = config.get('meta', {}).get('affected_by') -%}
    {%- if columns is none -%}
        {%- set columns = [] if affected_suffix() else config.get('unique_key') -%}
    {%- endif -%}
    {{ return([columns] if columns is string else columns) }}
{%- endmacro %}
