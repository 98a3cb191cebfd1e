{#
    After a run: deletes the builds of operations.build_history that are older than the variable
    build_history_days.
#}
{% macro forget_old_builds() -%}
    delete from {{ changes_table('build_results') }}
    where build_id in (
        select build_id
        from {{ changes_table('builds') }}
        where finished_at < now() - {{ var('build_history_days') }} * interval '1 day'
    );
    delete from {{ changes_table('builds') }}
    where finished_at < now() - {{ var('build_history_days') }} * interval '1 day';
{%- endmacro %}
