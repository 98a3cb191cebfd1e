-- Tables of the primary that the login may read: name, columns, primary key, foreign keys of one
-- column, and about how many rows. Not partitions: their table has the rows.

with recursive bases (type, base) as (
    select oid, oid from pg_type where typtype <> 'd'
    union all
    select t.oid, bases.base
    from pg_type as t
    inner join bases on t.typbasetype = bases.type
    where t.typtype = 'd'
)

select
    n.nspname || '.' || c.relname,
    (
        select jsonb_agg(
            jsonb_build_object(
                'name', a.attname,
                'type', format_type(bases.base, null),
                'labels', (
                    select jsonb_agg(e.enumlabel order by e.enumsortorder)
                    from pg_enum as e
                    where e.enumtypid = t.oid
                )
            )
            order by a.attnum
        )
        from pg_attribute as a
        inner join bases on a.atttypid = bases.type
        inner join pg_type as t on bases.base = t.oid
        where
            a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped and a.attgenerated = ''
            and has_column_privilege(c.oid, a.attnum, 'select')
    ),
    coalesce(
        (
            select jsonb_agg(a.attname order by k.position)
            from pg_index as i
            cross join lateral unnest(i.indkey) with ordinality as k (attnum, position)
            inner join pg_attribute as a on i.indrelid = a.attrelid and k.attnum = a.attnum
            where i.indrelid = c.oid and i.indisprimary and k.position <= i.indnkeyatts
        ),
        '[]'
    ),
    coalesce(
        (
            select jsonb_agg(
                jsonb_build_object(
                    'column', a.attname,
                    'table', rn.nspname || '.' || r.relname,
                    'refers_to', ra.attname
                )
            )
            from pg_constraint as k
            inner join pg_class as r on k.confrelid = r.oid
            inner join pg_namespace as rn on r.relnamespace = rn.oid
            inner join pg_attribute as a on k.conrelid = a.attrelid and k.conkey[1] = a.attnum
            inner join pg_attribute as ra on k.confrelid = ra.attrelid and k.confkey[1] = ra.attnum
            where k.conrelid = c.oid and k.contype = 'f' and cardinality(k.conkey) = 1
        ),
        '[]'
    ),
    greatest(c.reltuples, 0)::bigint
from pg_class as c
inner join pg_namespace as n on c.relnamespace = n.oid
where
    c.relkind in ('r', 'p')
    and not c.relispartition
    and n.nspname not in ('pg_catalog', 'information_schema')
    and n.nspname !~ '^pg_(toast|temp)|[.]'
    and has_schema_privilege(n.oid, 'usage')
    and has_any_column_privilege(c.oid, 'select')
order by 1
