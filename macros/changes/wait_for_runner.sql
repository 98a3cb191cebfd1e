{#
    Where dbt runs alone, a staging model waits while the runner builds, and says so: the runner reads the
    landing tables as of an earlier moment.
#}
{% macro wait_for_runner() %}
    {% if target.name == 'prod' %}
        {% set is_held %}
            set local client_connection_check_interval = '1s';
            select exists (
                select from pg_locks
                where
                    relation = 'signal_marts.staging_lock'::regclass
                    and mode = 'ExclusiveLock'
                    and granted
                    and database = (select oid from pg_database where datname = current_database())
            )
        {% endset %}
        {% if run_query(is_held).columns[0].values()[0] %}
            {% do log(this ~ ' waits: signal-marts is building', info=true) %}
        {% endif %}
        {% do run_query('lock table signal_marts.staging_lock in row share mode') %}
    {% endif %}
{% endmacro %}
