{#
    Before a run: the books of change capture and of builds.

    relations: one row per incremental model. version counts the builds that changed the model's rows;
        rebuilt_version is the version of the last full build; changed_by is the id of the build that
        made the latest version. definition is the digest of the code that the rows were built with,
        and presentation the digest of the grants and comments. Staging only: landing_table is the
        table that the model reads, and transactions from landing_cut on may still be unread, as the
        server with the identifier landing_system counts them.
    reads: the version of each parent that a model last read.
    rejected_rows: the rows of operations.rejected_rows; key is the row's key in its landing table, row_key
        the same key as text. If the row is too late, usable_from is the token's time from which on it
        can be used, or NULL if never; a watch builds it then.
    builds, build_results: the rows of operations.build_history.
    lock__<schema>__<model>: an incremental model's lock (lock_table).
#}
{% macro prepare_changes() %}
    {{ return(adapter.dispatch('prepare_changes')()) }}
{% endmacro %}

{% macro default__prepare_changes() %}
    {% if execute and flags.WHICH in ('build', 'run') %}
        {% if flags.EMPTY %}
            {{ exceptions.raise_compiler_error(
                'with --empty, tables would lose rows that the books of change capture say they have:'
                ~ ' build without it'
            ) }}
        {% endif %}
        {{ take_role() }}
        create schema if not exists
            {{ changes_table('relations').include(database=false, identifier=false) }};
        create table if not exists {{ changes_table('relations') }} (
            relation text primary key,
            definition text not null,
            presentation text not null,
            version bigint not null,
            rebuilt_version bigint not null,
            changed_by text not null,
            landing_table text,
            landing_cut xid8,
            landing_system bigint,
            built_at timestamptz not null,
            rebuilt_at timestamptz not null
        );
        create table if not exists {{ changes_table('reads') }} (
            reader text not null,
            relation text not null,
            version bigint not null,
            primary key (reader, relation)
        );
        create table if not exists {{ changes_table('rejected_rows') }} (
            source_table text not null,
            row_key text not null,
            key jsonb not null,
            column_name text not null,
            value text,
            reason text not null,
            first_seen_at timestamptz not null,
            usable_from timestamptz,
            primary key (source_table, row_key, column_name)
        );
        {# For books that an earlier version made. Asked first: the lock would wait for every reader. #}
        {% set usable_from %}
            select attname::text from pg_attribute
            where attrelid = to_regclass('{{ changes_table("rejected_rows") }}') and attname = 'usable_from'
        {% endset %}
        {% if run_query(usable_from).rows | length == 0 %}
            alter table {{ changes_table('rejected_rows') }} add column if not exists usable_from timestamptz;
        {% endif %}
        create table if not exists {{ changes_table('builds') }} (
            build_id text primary key,
            command text not null,
            started_at timestamptz not null,
            finished_at timestamptz not null,
            is_success boolean not null,
            nodes integer not null,
            failures integer not null
        );
        create table if not exists {{ changes_table('build_results') }} (
            build_id text not null,
            node_id text not null,
            node_name text not null,
            node_type text not null,
            status text not null,
            build_mode text,
            rows_written bigint,
            run_seconds double precision not null,
            landing_cut xid8,
            message text,
            primary key (build_id, node_id)
        );
        {# A model that is no longer kept up by changes must not hold back the pruning of images or logs. #}
        {% set kept = ["''"] %}
        {% set locks = [] %}
        {% set there = run_query(
            "select relname::text from pg_class where relnamespace = to_regnamespace('"
            ~ changes_table('relations').schema ~ "')"
        ).columns[0].values() %}
        {% for node in graph.nodes.values()
            if node.resource_type == 'model' and node.config.get('materialized') == 'incremental'
        %}
            {% set name = "'" ~ node.schema ~ '.' ~ node.alias ~ "'" %}
            {% do kept.append(name) %}
            {% do locks.append(lock_table(name).identifier) %}
            {% if locks | last not in there %}
                create table if not exists {{ lock_table(name) }} (
                    is_held boolean
                ) partition by list (is_held);
            {% endif %}
        {% endfor %}
        {# A locked table belongs to a build of another version of the project, which is still running. #}
        {% for lock in there if lock.startswith('lock__') and lock not in locks %}
            do $gone$
            begin
                lock table {{ changes_table(lock) }} in access exclusive mode nowait;
                drop table {{ changes_table(lock) }};
                drop table if exists {{ changes_table(lock | replace('lock__', '', 1)) }};
            exception
                when lock_not_available or undefined_table then null;
            end
            $gone$;
        {% endfor %}
        {% set sources = ["''"] %}
        {% for table in graph.sources.values() %}
            {% do sources.append("'" ~ table.schema ~ '.' ~ table.identifier ~ "'") %}
        {% endfor %}
        delete from {{ changes_table('rejected_rows') }}
        where source_table not in ({{ sources | join(', ') }});
        delete from {{ changes_table('reads') }} where reader not in ({{ kept | join(', ') }});
        delete from {{ changes_table('relations') }} where relation not in ({{ kept | join(', ') }});
        commit;
    {% endif %}
{% endmacro %}

{#
    On Spark nothing is built from changes. The raw tables are the Parquet files of one snapshot, which
    runner/scale/export.py wrote.
#}
{% macro spark__prepare_changes() %}
    {% if execute and flags.WHICH in ('build', 'run') %}
        {% do mount_snapshot() %}
    {% endif %}
{% endmacro %}
