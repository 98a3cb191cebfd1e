{#
    Replaces dbt's macro: it does not wait for readers longer than unless_held allows.

    relation: the table or view.
#}
{% macro postgres__drop_relation(relation) %}
    {% call statement('drop_relation', auto_begin=False) %}
        {{ unless_held(relation, get_drop_sql(relation)) }}
    {% endcall %}
{% endmacro %}
