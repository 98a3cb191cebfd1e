-- Checkpoints since the counters began.
select
    checkpoints_timed as timed,
    checkpoints_req as requested,
    checkpoint_write_time / 1000 as write_seconds,
    checkpoint_sync_time / 1000 as sync_seconds,
    buffers_checkpoint as buffers_written,
    stats_reset as counted_since
from pg_stat_bgwriter
