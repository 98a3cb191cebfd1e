{#
    The statements that build a model from changes: compute its affected rows and write the differences, or
    add the new rows of a model that only grows.

    sql: the model's SQL.
    columns: the names of its table's columns, quoted, in order.
#}
{% macro apply_changes(sql, columns) -%}
    {# If a crash loses this commit, it also loses the record of what was read: the next build reads it again. #}
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
