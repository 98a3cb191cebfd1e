-- Indexes of users' tables: what they are made of, what needs them, and how often they were used.
-- Takes no lock. An element of key_parts equals another one's where both order a column alike; an
-- expression is column 0. An index of a partitioned table has no scans of its own.
select
    i.indexrelid::bigint as index_id,
    i.indrelid::bigint as table_id,
    n.nspname::text as schema_name,
    t.relname::text as table_name,
    c.relname::text as index_name,
    m.amname::text as access_method,
    i.indisunique as is_unique,
    i.indisprimary as is_primary,
    c.relkind = 'I' as is_partitioned,
    i.indnullsnotdistinct as is_nulls_not_distinct,
    i.indimmediate as is_immediate,
    i.indisvalid and i.indislive as is_valid,
    i.indisready as is_ready,
    i.indisreplident as is_replica_identity,
    (
        select min(k.conname)::text
        from pg_constraint as k
        where k.conindid = i.indexrelid and k.contype in ('p', 'u', 'x')
    ) as constraint_name,
    exists (
        select from pg_constraint as k where k.conindid = i.indexrelid and k.contype = 'f'
    ) as is_referenced,
    exists (
        select from pg_inherits as h where h.inhrelid = i.indexrelid
    ) as is_part_of_index,
    keys.columns as key_columns,
    keys.parts as key_parts,
    coalesce(keys.included, '{}') as included_columns,
    i.indpred is not null as has_predicate,
    i.indexprs is not null as has_expressions,
    s.idx_scan as scans,
    s.idx_tup_read as entries_read,
    s.idx_tup_fetch as rows_fetched,
    -- Since PostgreSQL 16.
    (to_jsonb(s) ->> 'last_idx_scan')::timestamptz as last_scan_at,
    io.idx_blks_read as blocks_read,
    io.idx_blks_hit as blocks_hit
from pg_index as i
inner join pg_class as c on i.indexrelid = c.oid
inner join pg_am as m on c.relam = m.oid
inner join pg_class as t on i.indrelid = t.oid
inner join pg_namespace as n on t.relnamespace = n.oid
left join pg_stat_user_indexes as s on i.indexrelid = s.indexrelid
left join pg_statio_user_indexes as io on i.indexrelid = io.indexrelid
cross join lateral (
    select
        array_agg(coalesce(a.attname, '(expression)')::text order by k.place)
        filter (where k.place <= i.indnkeyatts) as columns,
        array_agg(
            concat_ws(
                '/', k.number, i.indclass[k.place - 1], i.indcollation[k.place - 1],
                i.indoption[k.place - 1]
            ) order by k.place
        ) filter (where k.place <= i.indnkeyatts) as parts,
        array_agg(a.attname::text order by a.attname)
        filter (where k.place > i.indnkeyatts) as included
    from unnest(i.indkey::smallint[]) with ordinality as k (number, place)
    left join pg_attribute as a on i.indrelid = a.attrelid and k.number = a.attnum
) as keys
where
    t.relpersistence <> 't'
    and n.nspname !~ '^pg_' and n.nspname <> 'information_schema'
