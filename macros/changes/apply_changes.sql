{#
    The statements that compute the affected rows of a model that is built from changes, and write what
    differs; or that add the new rows of one that only grows.

    sql: the model's own.
    columns: the names of its table's columns, quoted, in order.
#}
{% macro apply_changes(sql, columns) -%}
    {# A commit that a crash loses takes what the model read with it, and is made up for. #}
    set local synchronous_commit = off;

    create temporary table fresh on commit drop as
    {{ get_select_subquery(sql) if config.get('contract').enforced else sql }};

    {% if is_exact() %}
        {{ get_incremental_exact_sql({
            'target_relation': this,
            'temp_relation': 'fresh',
            'dest_columns': columns,
        }) }}
    {% else %}
        insert into {{ this }} ({{ columns | join(', ') }})
        select {{ columns | join(', ') }}
        from fresh
    {% endif %}
{%- endmacro %}
