{#
    dbt's own macro, which puts a table that was built whole in the place of the former one, but for
    readers who hold that (unless_held).

    from_relation: the table or view.
    to_relation: its new name.
#}
{% macro postgres__rename_relation(from_relation, to_relation) %}
    {% call statement('rename_relation') %}
        {{ unless_held(
            from_relation,
            'alter table ' ~ from_relation ~ ' rename to ' ~ adapter.quote(to_relation.identifier)
        ) }}
    {% endcall %}
{% endmacro %}
