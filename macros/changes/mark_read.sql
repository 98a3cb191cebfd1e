{#
    A post-hook of a model that is not exact, but reads the changes of one that is: from now on, what
    has changed in that one by now is read.
#}
{% macro mark_read(model_name) %}
    {% if execute %}
        insert into {{ changes_table('reads') }} (reader, relation, version)
        select
            {{ relation_name(this) }},
            relation,
            version
        from {{ changes_table('relations') }}
        where relation = {{ relation_name(ref(model_name)) }}
        on conflict (reader, relation) do update set version = excluded.version
    {% endif %}
{% endmacro %}
