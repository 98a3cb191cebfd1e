{#
    Spark's tables over the Parquet files of a snapshot: the raw tables of the contract and, in the schema
    `expected`, the models as PostgreSQL built them. SPARK_SNAPSHOT is the folder as the cluster reaches it.
#}
{% macro mount_snapshot() %}
    {% set folder = env_var('SPARK_SNAPSHOT') %}
    {% for table in graph.sources.values() if table.source_name in ('ai', 'platform') %}
        {% do mount_parquet(table.schema, table.identifier, folder ~ '/raw/' ~ table.identifier) %}
    {% endfor %}
{% endmacro %}

{% macro mount_parquet(schema, table, folder) %}
    {% do run_query('create schema if not exists ' ~ schema) %}
    {% do run_query('drop table if exists ' ~ schema ~ '.' ~ table) %}
    {% do run_query(
        'create table ' ~ schema ~ '.' ~ table ~ " using parquet location '" ~ folder ~ "'"
    ) %}
{% endmacro %}
