-- Readers of the server's log: standbys, which may use indexes too, and subscribers. What only keeps the log
-- (backups, pg_receivewal) replays nothing.
-- Without pg_read_all_stats: their states and lags are hidden.
select
    r.application_name,
    r.usename::text as role_name,
    coalesce(s.slot_type, 'physical') as kind,
    r.state,
    (r.sent_lsn - r.replay_lsn)::bigint as replay_bytes,
    extract(epoch from r.replay_lag)::double precision as replay_seconds,
    age(r.backend_xmin) as xmin_age
from pg_stat_replication as r
left join pg_replication_slots as s on r.pid = s.active_pid
