-- The statement that makes each index, and its predicate and expressions. Asking takes ACCESS SHARE on
-- the table: an index is passed over while a session holds or awaits a lock against it on either.
-- Locks against it: AccessExclusiveLock.
with indexes as (
    select
        i.indexrelid,
        i.indrelid,
        i.indpred,
        i.indexprs,
        format('%I.%I', n.nspname, c.relname) as relation,
        coalesce(own.pid, of_table.pid) as locked_by
    from pg_index as i
    inner join pg_class as c on i.indexrelid = c.oid
    inner join pg_namespace as n on c.relnamespace = n.oid
    left join locked as own on i.indexrelid = own.relation
    left join locked as of_table on i.indrelid = of_table.relation
    where
        c.relkind in ('i', 'I')
        and c.relpersistence <> 't'
        and n.nspname !~ '^pg_' and n.nspname <> 'information_schema'
)

select
    relation,
    'server process ' || locked_by || ' has locked it' as not_seen,
    indexrelid::bigint as index_id,
    case when locked_by is null then pg_get_indexdef(indexrelid) end as definition,
    case when locked_by is null then pg_get_expr(indpred, indrelid) end as predicate,
    case when locked_by is null then pg_get_expr(indexprs, indrelid) end as expressions
from indexes
