{#
    The columns of `affected` that are compared with a model's rows: the columns of its unique key, or of
    `affected_by` in its meta. Where a suffix is affected (affected_suffix), only those of `affected_by`.
#}
{% macro affected_columns() -%}
    {%- set columns = config.get('meta', {}).get('affected_by') -%}
    {%- if columns is none -%}
        {%- set columns = [] if affected_suffix() else config.get('unique_key') -%}
    {%- endif -%}
    {{ return([columns] if columns is string else columns) }}
{%- endmacro %}
