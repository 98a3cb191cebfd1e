{#
    Where the runner builds, all models of staging read the landing tables as of one moment, which it
    froze (runner/builds.py): an exported snapshot. A plain dbt build reads each table as of its own
    moment, and not while the runner builds.
#}
{% macro read_frozen_moment() %}
    {% set moment = env_var('SIGNAL_MARTS_MOMENT', '') %}
    {% if moment %}
        commit;
        begin isolation level repeatable read;
        set transaction snapshot '{{ moment }}';
    {% else %}
        select pg_advisory_xact_lock_shared(
            hashtextextended('{{ changes_table('relations').schema }}', 0)
        );
    {% endif %}
{% endmacro %}
