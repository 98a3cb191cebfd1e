-- The descriptions of marts and columns, by schema.mart and schema.mart.column.
select
    n.nspname || '.' || c.relname || coalesce('.' || a.attname, '') as name,
    d.description
from pg_catalog.pg_description as d
inner join pg_catalog.pg_class as c
    on d.objoid = c.oid and d.classoid = 'pg_catalog.pg_class'::regclass
inner join pg_catalog.pg_namespace as n
    on c.relnamespace = n.oid
left join pg_catalog.pg_attribute as a
    on c.oid = a.attrelid and d.objsubid = a.attnum and d.objsubid > 0
where n.nspname in ('ensemble', 'performance', 'training', 'operations')
