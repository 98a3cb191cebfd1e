-- Bytes of users' tables (with TOAST and maps) and of their indexes. Asking takes ACCESS SHARE: a
-- relation is passed over while a session holds or awaits a lock against it.
-- Locks against it: AccessExclusiveLock.
with relations as (
    select
        c.oid,
        c.relkind,
        format('%I.%I', n.nspname, c.relname) as relation,
        coalesce(own.pid, toast.pid) as locked_by
    from pg_class as c
    inner join pg_namespace as n on c.relnamespace = n.oid
    left join locked as own on c.oid = own.relation
    left join locked as toast on c.reltoastrelid = toast.relation
    where
        c.relkind in ('r', 'm', 'i')
        and c.relpersistence <> 't'
        and n.nspname !~ '^pg_' and n.nspname <> 'information_schema'
)

select
    relation,
    'server process ' || locked_by || ' has locked it' as not_seen,
    oid::bigint as relation_id,
    case
        when locked_by is not null then null
        when relkind = 'i' then pg_relation_size(oid)
        else pg_table_size(oid)
    end as bytes
from relations
