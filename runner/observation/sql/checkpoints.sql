-- Checkpoints since the counters began.
select
    num_timed as timed,
    num_requested as requested,
    write_time / 1000 as write_seconds,
    sync_time / 1000 as sync_seconds,
    buffers_written,
    stats_reset as counted_since
from pg_stat_checkpointer
