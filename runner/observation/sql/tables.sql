-- Users' tables and materialized views: rows, scans, blocks, dead rows and vacuums. Takes no lock.
select
    c.oid::bigint as table_id,
    n.nspname::text as schema_name,
    c.relname::text as table_name,
    s.seq_scan as seq_scans,
    s.seq_tup_read as seq_rows_read,
    coalesce(s.idx_scan, 0) as idx_scans,
    coalesce(s.idx_tup_fetch, 0) as idx_rows_fetched,
    s.n_tup_ins as rows_inserted,
    s.n_tup_upd as rows_updated,
    s.n_tup_hot_upd as rows_hot_updated,
    s.n_tup_del as rows_deleted,
    s.n_live_tup as live_rows,
    s.n_dead_tup as dead_rows,
    s.n_mod_since_analyze as rows_changed_since_analyze,
    s.last_vacuum as last_vacuum_at,
    s.last_autovacuum as last_autovacuum_at,
    s.last_analyze as last_analyze_at,
    s.last_autoanalyze as last_autoanalyze_at,
    io.heap_blks_read as heap_blocks_read,
    io.heap_blks_hit as heap_blocks_hit,
    coalesce(io.idx_blks_read, 0) as idx_blocks_read,
    coalesce(io.idx_blks_hit, 0) as idx_blocks_hit,
    age(c.relfrozenxid) as transaction_age,
    mxid_age(c.relminmxid) as multixact_age
from pg_class as c
inner join pg_namespace as n on c.relnamespace = n.oid
inner join pg_stat_user_tables as s on c.oid = s.relid
inner join pg_statio_user_tables as io on c.oid = io.relid
where c.relkind in ('r', 'm') and c.relpersistence <> 't'
