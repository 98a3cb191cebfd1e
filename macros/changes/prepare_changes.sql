{#
    Before a run: the books of change capture.

    relations: an incremental model's table. Its version counts the builds that changed it;
        rebuilt_version is that of its last build in full. definition tells whether the model's code
        is still the one that the rows were built with. landing_cut, in staging alone: transactions
        from this one on may not have been read yet.
    reads: the version of each parent that a model's rows account for.
#}
{% macro prepare_changes() %}
    {% if execute and flags.WHICH in ('build', 'run') %}
        {# dbt may have lost the role with a transaction, and commits what a hook did late. #}
        {% if target.get('role') %}
            set role {{ adapter.quote(target.role) }};
        {% endif %}
        create schema if not exists {{ changes_table('relations').include(database=false, identifier=false) }};
        create table if not exists {{ changes_table('relations') }} (
            relation text primary key,
            definition text not null,
            version bigint not null,
            rebuilt_version bigint not null,
            landing_cut xid8,
            built_at timestamptz not null
        );
        create table if not exists {{ changes_table('reads') }} (
            reader text not null,
            relation text not null,
            version bigint not null,
            primary key (reader, relation)
        );
        commit;
    {% endif %}
{% endmacro %}
