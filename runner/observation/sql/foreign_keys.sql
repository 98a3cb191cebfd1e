-- Foreign keys of users' tables. Takes no lock.
select
    k.oid::bigint as constraint_id,
    k.conrelid::bigint as table_id,
    n.nspname::text as schema_name,
    t.relname::text as table_name,
    k.conname::text as constraint_name,
    (
        select array_agg(a.attname::text order by c.place)
        from unnest(k.conkey) with ordinality as c (number, place)
        inner join pg_attribute as a on k.conrelid = a.attrelid and c.number = a.attnum
    ) as columns,
    rn.nspname::text as referenced_schema,
    r.relname::text as referenced_table,
    k.convalidated as is_validated
from pg_constraint as k
inner join pg_class as t on k.conrelid = t.oid
inner join pg_namespace as n on t.relnamespace = n.oid
inner join pg_class as r on k.confrelid = r.oid
inner join pg_namespace as rn on r.relnamespace = rn.oid
where k.contype = 'f' and k.conparentid = 0
