{#
    dbt's query for a contract's columns and types, with the types by Spark's names.
#}
{% macro spark__get_empty_schema_sql(columns) -%}
    {%- set names = {
        'text': 'string',
        'jsonb': 'string',
        'double precision': 'double',
        'timestamp with time zone': 'timestamp',
    } -%}
    select
    {% for column in columns.values() %}
        cast(null as {{ names.get(column.data_type, column.data_type) }}) as {{ column.name }}
        {{- ',' if not loop.last }}
    {% endfor %}
{%- endmacro %}
