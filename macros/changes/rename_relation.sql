{#
    Replaces dbt's macro, which swaps a table that was built whole for the former one: it does not wait for
    readers of the former table longer than unless_held allows.

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
