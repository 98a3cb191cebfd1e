{#
    The post-hook of an incremental model, in its transaction: writes its new version, and the versions of
    its parents, which were locked before the model read them.
#}
{% macro publish_changes() %}
    {% if execute and is_exact() %}
        {% set images = changes_table(this.schema ~ '__' ~ this.identifier) %}
        {% set relations = changes_table('relations') %}
        {% set landing_table, landing_cut, landing_system = 'null', 'null', 'null' %}
        {% if not parent_names() %}
            {% set landing_table = relation_name(landing_relation()) %}
            {% set landing_cut = '(select landing_cut from landing_cut)' %}
            {% set landing_system = '(select system_identifier from pg_control_system())' %}
            {{ record_rejected_rows() }}
        {% endif %}
        {% if is_from_changes() %}
            {# Images that all readers have read. #}
            delete from {{ images }}
            where _version <= (
                select coalesce(min(reads.version), relations.version)
                from {{ relations }} as relations
                left join {{ changes_table('reads') }} as reads
                    on relations.relation = reads.relation
                where relations.relation = {{ relation_name(this) }}
                group by relations.version
            );
            update {{ relations }}
            set
                version = version + cast(written.is_changed as integer),
                changed_by = case when written.is_changed then {{ build_id() }} else changed_by end,
                presentation = '{{ model_presentation() }}',
                landing_cut = {{ landing_cut }},
                landing_system = {{ landing_system }},
                built_at = now()
            from (
                select exists (
                    select from {{ images }}
                    where _version > (
                        select version from {{ relations }} where relation = {{ relation_name(this) }}
                    )
                ) as is_changed
            ) as written
            where relation = {{ relation_name(this) }}
            returning version;
        {% else %}
            {% set key = config.get('unique_key') %}
            create unique index on {{ this }} ({{ key if key is string else key | join(', ') }});
            drop table if exists {{ images }};
            create table {{ images }} as
            select
                0::bigint as _version,
                stored.*
            from {{ this }} as stored
            with no data;
            create index on {{ images }} (_version);
            insert into {{ relations }} (
                relation,
                definition,
                presentation,
                version,
                rebuilt_version,
                changed_by,
                landing_table,
                landing_cut,
                landing_system,
                built_at,
                rebuilt_at
            )
            select
                {{ relation_name(this) }},
                '{{ model_definition() }}',
                '{{ model_presentation() }}',
                first.version,
                first.version,
                {{ build_id() }},
                {{ landing_table }},
                {{ landing_cut }},
                {{ landing_system }},
                now(),
                now()
            from (
                {# If a dropped model returns, a reader may still hold one of its old versions. #}
                select coalesce(max(version), 0) + 1 as version
                from {{ changes_table('reads') }}
                where relation = {{ relation_name(this) }}
            ) as first
            on conflict (relation) do update set
                definition = excluded.definition,
                presentation = excluded.presentation,
                version = relations.version + 1,
                rebuilt_version = relations.version + 1,
                changed_by = excluded.changed_by,
                landing_table = excluded.landing_table,
                landing_cut = excluded.landing_cut,
                landing_system = excluded.landing_system,
                built_at = excluded.built_at,
                rebuilt_at = excluded.rebuilt_at;
        {% endif %}
    {% endif %}
    {% if execute and config.get('materialized') == 'incremental' %}
        delete from {{ changes_table('reads') }} where reader = {{ relation_name(this) }};
        insert into {{ changes_table('reads') }} (reader, relation, version)
        select
            {{ relation_name(this) }},
            relation,
            version
        from {{ changes_table('relations') }}
        where relation in ({{ (parent_names() or ["''"]) | join(', ') }});
    {% endif %}
{% endmacro %}
