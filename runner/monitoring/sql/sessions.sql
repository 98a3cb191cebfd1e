-- Sessions of this database and the server, and those that wait for a lock. Takes no lock.
with waits as (
    select extract(epoch from clock_timestamp() - l.waitstart) as seconds
    from pg_locks as l
    inner join pg_stat_activity as a on l.pid = a.pid
    where not l.granted and a.datname = current_database()
)

select
    (
        select count(*) from pg_stat_activity
        where datname = current_database() and pid <> pg_backend_pid()
    ) as sessions,
    (select sum(numbackends) from pg_stat_database)
    / current_setting('max_connections')::double precision as sessions_used_ratio,
    -- Begins of other roles' transactions are hidden without the role.
    case
        when pg_has_role(current_user, 'pg_read_all_stats', 'usage')
            then (
                select coalesce(max(extract(epoch from clock_timestamp() - xact_start)), 0)
                from pg_stat_activity
                where
                    datname = current_database()
                    and backend_type = 'client backend'
                    and pid <> pg_backend_pid()
            )
    end as oldest_transaction_seconds,
    (select count(*) from waits) as lock_waits,
    (select greatest(coalesce(max(seconds), 0), 0) from waits) as lock_wait_seconds
