-- Reads and writes of the server by kind of process, object and context.
-- From version 16.
select
    backend_type,
    object,
    context,
    reads,
    writes,
    extends,
    hits,
    evictions,
    read_time / 1000 as read_seconds,
    write_time / 1000 as write_seconds,
    stats_reset as counted_since
from pg_stat_io
where coalesce(reads, 0) + coalesce(writes, 0) + coalesce(extends, 0) + coalesce(hits, 0) > 0
