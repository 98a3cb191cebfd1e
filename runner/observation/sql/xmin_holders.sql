-- Who keeps vacuum from removing dead rows, the oldest first: sessions, prepared transactions, slots
-- and standbys.
-- Without pg_read_all_stats: sessions of other roles and standbys are hidden.
select *
from (
    select
        'session' as kind,
        pid::text as name,
        usename::text as role_name,
        application_name,
        greatest(age(backend_xmin), age(backend_xid)) as xmin_age,
        xact_start as since_at
    from pg_stat_activity
    where
        pid <> pg_backend_pid()
        and backend_type <> 'walsender'
        and (datname = current_database() or datname is null)
    union all
    select 'prepared', gid, owner::text, null, age(transaction), prepared
    from pg_prepared_xacts
    where database = current_database()
    union all
    select 'slot', slot_name::text, null, null, greatest(age(xmin), age(catalog_xmin)), null
    from pg_replication_slots
    union all
    select 'standby', pid::text, usename::text, application_name, age(backend_xmin), backend_start
    from pg_stat_replication
) as holders
where xmin_age is not null
order by xmin_age desc
limit 20
