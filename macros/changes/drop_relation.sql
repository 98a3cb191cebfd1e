{#
    dbt's own macro, but for readers who hold the relation (unless_held).

    relation: the table or view.
#}
{% macro postgres__drop_relation(relation) %}
    {% call statement('drop_relation', auto_begin=False) %}
        {{ unless_held(relation, get_drop_sql(relation)) }}
    {% endcall %}
{% endmacro %}
