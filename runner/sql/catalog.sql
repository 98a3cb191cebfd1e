-- What a migration can change, a row a thing: tables, columns, constraints, indexes, triggers,
-- functions, roles, grants and comments. Two equal answers mean an equal schema. Grants are in the
-- order of their texts: that in which they were made says nothing.

select
    'column' as kind,
    a.attrelid::regclass::text || '.' || a.attname as name,
    concat_ws(
        -- Its place, and not its number: a column that was dropped and added again has another.
        ' | ', row_number() over (partition by a.attrelid order by a.attnum),
        format_type(a.atttypid, a.atttypmod), a.attnotnull, a.attidentity,
        pg_get_expr(d.adbin, d.adrelid),
        (select array_agg(item::text order by item::text) from unnest(a.attacl) as item)
    ) as definition
from pg_attribute as a
inner join pg_class as c on a.attrelid = c.oid
left join pg_attrdef as d on a.attrelid = d.adrelid and a.attnum = d.adnum
where
    c.relnamespace in (select oid from pg_namespace where nspname in ('public', 'retraining'))
    and c.relkind in ('r', 'p')
    and a.attnum > 0 and not a.attisdropped

union all

select
    'relation', c.oid::regclass::text,
    concat_ws(
        ' | ', c.relkind, pg_get_userbyid(c.relowner),
        (select array_agg(item::text order by item::text) from unnest(c.relacl) as item),
        obj_description(c.oid, 'pg_class'),
        case when c.relkind = 'i' then pg_get_indexdef(c.oid) end
    )
from pg_class as c
where c.relnamespace in (select oid from pg_namespace where nspname in ('public', 'retraining'))

union all

select 'constraint', conrelid::regclass::text || '.' || conname, pg_get_constraintdef(oid)
from pg_constraint
where connamespace in (select oid from pg_namespace where nspname in ('public', 'retraining'))

union all

select 'trigger', tgrelid::regclass::text || '.' || tgname, pg_get_triggerdef(oid)
from pg_trigger
where not tgisinternal

union all

select
    'function', oid::regprocedure::text,
    concat_ws(
        ' | ', pg_get_functiondef(oid), pg_get_userbyid(proowner),
        (select array_agg(item::text order by item::text) from unnest(proacl) as item)
    )
from pg_proc
where pronamespace in (select oid from pg_namespace where nspname in ('public', 'retraining'))
    and prokind in ('f', 'p')

union all

select
    'schema', nspname::text,
    (select array_agg(item::text order by item::text) from unnest(nspacl) as item)::text
from pg_namespace
where nspname = 'public'

union all

select
    'role', rolname::text,
    concat_ws(' | ', rolcanlogin, rolreplication, rolconfig, shobj_description(oid, 'pg_authid'))
from pg_roles
where rolname !~ '^pg_'

union all

select 'membership', roleid::regrole::text || ' to ' || member::regrole::text, null
from pg_auth_members

order by 1, 2, 3
