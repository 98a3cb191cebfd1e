{#
    The columns of `affected` in a model that follows its parents by key: those of its unique key, or
    those that its meta names, `affected_by`.
#}
{% macro affected_columns() -%}
    {%- set columns = config.get('meta', {}).get('affected_by') or config.get('unique_key') -%}
    {{ return([columns] if columns is string else columns) }}
{%- endmacro %}
