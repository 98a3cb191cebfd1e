{#
    Where dbt runs alone, a model of staging is not built while the runner builds, which reads the
    landing tables as of an earlier moment: it waits, and says so.
#}
{% macro wait_for_runner() %}
    {% set key = "hashtextextended('" ~ changes_table('relations').schema ~ "', 0)" %}
    {% set is_free %}
        set local client_connection_check_interval = '1s';
        select pg_try_advisory_xact_lock_shared({{ key }})
    {% endset %}
    {% if not run_query(is_free).columns[0].values()[0] %}
        {% do log(this ~ ' waits: signal-marts is building', info=true) %}
        {% do run_query('select pg_advisory_xact_lock_shared(' ~ key ~ ')') %}
    {% endif %}
{% endmacro %}
