{#
    After a run: deletes the builds of operations.build_history that are older than the variable
    build_history_days, but the last one that succeeded.
#}
{% macro forget_old_builds() -%}
    {% set are_old %}
        finished_at < now() - {{ var('build_history_days') }} * interval '1 day'
        and finished_at is distinct from (
            select max(finished_at) from {{ changes_table('builds') }} where is_success
        )
    {%- endset %}
    delete from {{ changes_table('build_results') }}
    where build_id in (
        select build_id
        from {{ changes_table('builds') }}
        where {{ are_old }}
    );
    delete from {{ changes_table('builds') }}
    where {{ are_old }};
{%- endmacro %}
