{#
    Where the runner builds, all models of staging read the landing tables as of one moment, which it
    froze: an exported snapshot, good for as long as the runner holds the lock of builds. A plain dbt
    build reads each table as of its own moment; the next build evens that out.
#}
{% macro read_frozen_moment() %}
    {% set frozen %}
        select moments.snapshot
        from signal_marts.frozen_moment as moments
        inner join pg_locks as locks on moments.holder = locks.pid
        where
            locks.locktype = 'advisory'
            and locks.granted
            and locks.objid = {{ builds_lock() }}
            and locks.database = (select oid from pg_database where datname = current_database())
    {% endset %}
    {% set moment = run_query(frozen).columns[0].values() %}
    {% if moment %}
        commit;
        begin isolation level repeatable read;
        set transaction snapshot '{{ moment[0] }}';
    {% endif %}
{% endmacro %}
