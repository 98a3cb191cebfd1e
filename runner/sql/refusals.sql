-- What can refuse rows that the primary has: on which landing table, its name, and what drops it. A landing table has
-- nothing of the kind but its primary key.
with landing as (
    select to_regclass(name) as id from unnest(%(tables)s::text[]) as names (name)
)

select
    c.conrelid::regclass::text as table_name,
    'constraint ' || c.conname as refuses,
    format('alter table %%s drop constraint %%I;', c.conrelid::regclass, c.conname) as mend
from pg_constraint as c
inner join landing on c.conrelid = landing.id
where c.contype in ('c', 'f', 'u', 'x')
union all
select
    i.indrelid::regclass::text,
    'unique index ' || c.relname,
    format('drop index %%s;', i.indexrelid::regclass)
from pg_index as i
inner join landing on i.indrelid = landing.id
inner join pg_class as c on i.indexrelid = c.oid
where
    i.indisunique
    and not exists (select from pg_constraint as k where k.conindid = i.indexrelid)
union all
select
    a.attrelid::regclass::text,
    'not null of column ' || a.attname,
    format('alter table %%s alter column %%I drop not null;', a.attrelid::regclass, a.attname)
from pg_attribute as a
inner join landing on a.attrelid = landing.id
inner join pg_index as k on a.attrelid = k.indrelid and k.indisprimary
where
    a.attnum > 0
    and not a.attisdropped
    and a.attnotnull
    and a.attname <> '_xid'
    and not a.attnum = any(k.indkey)
order by 1, 2
