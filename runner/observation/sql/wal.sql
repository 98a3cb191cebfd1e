-- The write-ahead log: what was written since the counters began, and where it ends.
select
    wal_records,
    wal_fpi as full_page_images,
    wal_bytes::bigint as wal_bytes,
    wal_buffers_full as buffers_full,
    case
        when not pg_is_in_recovery() then (pg_current_wal_lsn() - '0/0')::bigint
    end as position_bytes,
    stats_reset as counted_since
from pg_stat_wal
