-- Sessions in this database, by role, application and state.
-- Without pg_read_all_stats: states of other roles' sessions are hidden.
select
    usename::text as role_name,
    application_name,
    state,
    count(*) as sessions,
    case
        when state is not null then count(*) filter (where wait_event_type = 'Lock')
    end as sessions_waiting_for_locks,
    max(extract(epoch from clock_timestamp() - xact_start))::double precision
        as oldest_transaction_seconds,
    max(extract(epoch from clock_timestamp() - query_start)) filter (where state = 'active')
        ::double precision as longest_statement_seconds
from pg_stat_activity
where
    datname = current_database()
    -- Hidden as well.
    and coalesce(backend_type, 'client backend') = 'client backend'
    and pid <> pg_backend_pid()
group by 1, 2, 3
