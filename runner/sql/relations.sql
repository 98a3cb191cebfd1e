-- What the catalog has under the names given, a row a table. The names are schema.table; the
-- reader is the role whose rights count where they are copied, or null where nobody knows.

with recursive named as (
    select c.oid, n.nspname || '.' || c.relname as qualified
    from pg_class as c
    inner join pg_namespace as n on c.relnamespace = n.oid
    where n.nspname || '.' || c.relname = any(%(names)s)
),

-- The table, its partitions at every depth, and children by INHERITS.
parts (root, oid, is_child) as (
    select oid, oid, false from named
    union
    select parts.root, i.inhrelid, not c.relispartition
    from parts
    inner join pg_inherits as i on parts.oid = i.inhparent and not i.inhdetachpending
    inner join pg_class as c on i.inhrelid = c.oid
    where not parts.is_child
),

-- Indexes that can name a row: those that PostgreSQL takes for a replica identity.
naming as (
    select
        i.indrelid, i.indisprimary, i.indisreplident,
        (
            select jsonb_agg(a.attname order by k.position)
            from unnest(i.indkey) with ordinality as k (attnum, position)
            inner join pg_attribute as a
                on i.indrelid = a.attrelid and k.attnum = a.attnum
            where k.position <= i.indnkeyatts
        ) as columns
    from pg_index as i
    inner join parts on i.indrelid = parts.oid
    where i.indisunique and i.indimmediate and i.indisvalid and i.indpred is null
),

-- The type that values are written in: that of a domain is its base type's.
bases (type, base) as (
    select oid, oid from pg_type where typtype <> 'd'
    union all
    select t.oid, bases.base
    from pg_type as t
    inner join bases on t.typbasetype = bases.type
    where t.typtype = 'd'
),

reader as (
    -- A role's attributes are its own, not of the logins that are members of it.
    select r.oid, r.rolcanlogin and (r.rolsuper or r.rolbypassrls) as is_exempt
    from pg_roles as r
    where r.rolname = %(reader)s
)

select
    named.qualified,
    c.relkind::text,
    coalesce(
        (
            select jsonb_object_agg(a.attname, format_type(bases.base, null))
            from pg_attribute as a
            inner join bases on a.atttypid = bases.type
            where a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped
        ),
        '{}'
    ),
    array(
        select a.attname::text
        from pg_attribute as a
        inner join bases on a.atttypid = bases.type
        inner join pg_type as t on bases.base = t.oid
        where a.attrelid = c.oid and a.attnum > 0 and t.typtype = 'e'
    ),
    array(
        select a.attname::text
        from pg_index as i
        cross join unnest(i.indkey) with ordinality as k (attnum, position)
        inner join pg_attribute as a on a.attrelid = c.oid and a.attnum = k.attnum
        where i.indrelid = c.oid and i.indisprimary and k.position <= i.indnkeyatts
        order by k.position
    ),
    coalesce(
        (
            select jsonb_object_agg(a.attname, a.attgenerated)
            from pg_attribute as a
            where a.attrelid = c.oid and a.attnum > 0 and a.attgenerated <> ''
        ),
        '{}'
    ),
    (
        select
            jsonb_agg(
                jsonb_build_object(
                    'schema', n.nspname,
                    'name', p.relname,
                    'kind', p.relkind,
                    'is_permanent', p.relpersistence = 'p',
                    'is_child', parts.is_child,
                    'identity', p.relreplident,
                    'by_key', (
                        select naming.columns
                        from naming
                        where naming.indrelid = p.oid and naming.indisprimary
                    ),
                    'by_index', (
                        select naming.columns
                        from naming
                        where naming.indrelid = p.oid and naming.indisreplident
                    )
                )
                order by p.oid <> c.oid, n.nspname, p.relname
            )
        from parts
        inner join pg_class as p on parts.oid = p.oid
        inner join pg_namespace as n on p.relnamespace = n.oid
        where parts.root = c.oid
    ),
    -- As row_security_active() decides, but for the reader, and with its policies: that
    -- they let every row through must be plain to see.
    c.relrowsecurity
    and %(reader)s::text is not null
    and not coalesce(
        (
            select
                reader.is_exempt
                or (
                    pg_has_role(reader.oid, c.relowner, 'usage')
                    and not c.relforcerowsecurity
                )
            from reader
        ),
        false
    )
    and not (
        select
            coalesce(bool_or(p.polpermissive and p.is_open), false)
            and bool_and(p.polpermissive or p.is_open)
        from (
            select
                pol.polpermissive,
                coalesce(
                    pg_get_expr(pol.polqual, pol.polrelid) = 'true',
                    not pol.polpermissive
                ) as is_open
            from pg_policy as pol
            where
                pol.polrelid = c.oid and pol.polcmd in ('r', '*')
                and exists (
                    select from unnest(pol.polroles) as roles (oid)
                    where
                        roles.oid = 0
                        or pg_has_role(
                            (select reader.oid from reader), roles.oid, 'usage'
                        )
                )
        ) as p
    ),
    exists (select from reader)
from named
inner join pg_class as c on named.oid = c.oid
