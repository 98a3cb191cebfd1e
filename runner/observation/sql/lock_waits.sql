-- Who waits for a lock, for how long, and who keeps it.
-- Without pg_read_all_stats: states of other roles' sessions are hidden.
select
    l.pid as waiting_pid,
    w.usename::text as waiting_role,
    w.application_name as waiting_application,
    l.locktype as lock_type,
    l.mode,
    quote_ident(n.nspname) || '.' || quote_ident(c.relname) as relation_name,
    extract(epoch from clock_timestamp() - l.waitstart)::double precision as waited_seconds,
    blocking.pid as blocking_pid,
    b.usename::text as blocking_role,
    b.application_name as blocking_application,
    b.state as blocking_state,
    extract(epoch from clock_timestamp() - b.xact_start)::double precision
        as blocking_transaction_seconds
from pg_locks as l
inner join pg_stat_activity as w on l.pid = w.pid
left join pg_class as c
    on
        l.relation = c.oid
        and l.database = (select oid from pg_database where datname = current_database())
left join pg_namespace as n on c.relnamespace = n.oid
cross join lateral unnest(pg_blocking_pids(l.pid)) as blocking (pid)
-- A prepared transaction keeps locks as process 0.
left join pg_stat_activity as b on blocking.pid = b.pid
where not l.granted and w.datname = current_database()
