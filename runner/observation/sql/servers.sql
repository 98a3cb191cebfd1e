-- The server and its database: which they are, what they have counted and since when, and the
-- transactions left before they must be frozen.
select
    clock_timestamp() as read_at,
    current_setting('server_version_num')::integer as version_number,
    (select c.system_identifier from pg_control_system() as c) as system_identifier,
    d.oid::bigint as database_id,
    pg_postmaster_start_time() as started_at,
    current_user::text as login,
    pg_has_role(current_user, 'pg_read_all_stats', 'usage') as has_all_statistics,
    -- A crash loses both: then the statistics of tables begin with those of the whole server.
    coalesce(
        s.stats_reset, least(b.stats_reset, a.stats_reset, w.stats_reset)
    ) as statistics_since,
    pg_database_size(d.oid) as database_bytes,
    s.xact_commit as commits,
    s.xact_rollback as rollbacks,
    s.deadlocks,
    s.temp_bytes,
    s.blks_read as blocks_read,
    s.blks_hit as blocks_hit,
    age(d.datfrozenxid) as transaction_age,
    mxid_age(d.datminmxid) as multixact_age,
    current_setting('autovacuum_freeze_max_age')::bigint as freeze_max_age
from pg_database as d
inner join pg_stat_database as s on d.oid = s.datid
cross join pg_stat_bgwriter as b
cross join pg_stat_archiver as a
cross join pg_stat_wal as w
where d.datname = current_database()
