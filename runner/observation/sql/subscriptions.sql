-- Subscriptions of this database: whether they apply, and the errors since the counters began.
select
    s.subname::text as subscription_name,
    s.subslotname::text as slot_name,
    s.subenabled as is_enabled,
    w.pid is not null as is_applying,
    w.latest_end_time as latest_end_at,
    e.apply_error_count as apply_errors,
    e.sync_error_count as sync_errors,
    (
        select count(*) from pg_subscription_rel as r
        where r.srsubid = s.oid and r.srsubstate <> 'r'
    ) as tables_not_ready
from pg_subscription as s
left join pg_stat_subscription as w
    on s.oid = w.subid and w.relid is null and (to_jsonb(w) ->> 'leader_pid') is null
left join pg_stat_subscription_stats as e on s.oid = e.subid
where s.subdbid = (select oid from pg_database where datname = current_database())
