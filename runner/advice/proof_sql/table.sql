-- A table of the primary in the newest whole sample, and its landing table here: columns and their types, without
-- what change capture added.
select
    tables.live_rows as primary_rows,
    sizes.bytes as primary_bytes,
    landing.reltuples as landing_rows,
    pg_table_size(landing.oid) as landing_bytes,
    (
        select array_agg(array[a.attname::text, format_type(a.atttypid, a.atttypmod)] order by a.attnum)
        from pg_attribute as a
        where a.attrelid = landing.oid and a.attnum > 0 and not a.attisdropped and a.attname <> '_xid'
    ) as columns
from signal_marts.observed_tables as tables
inner join pg_namespace as schemas on tables.schema_name = schemas.nspname
inner join pg_class as landing
    on
        schemas.oid = landing.relnamespace
        and tables.table_name = landing.relname
        and landing.relkind = 'r'
left join signal_marts.observed_sizes as sizes
    on
        tables.sample_id = sizes.sample_id
        and tables.side = sizes.side
        and tables.table_id = sizes.relation_id
where
    tables.sample_id = %(sample_id)s
    and tables.side = 'primary'
    and tables.schema_name = %(schema)s
    and tables.table_name = %(table)s
    and pg_has_role(
        landing.relowner,
        (select owners.nspowner from pg_namespace as owners where owners.nspname = 'signal_marts'),
        'usage'
    )
    and obj_description(landing.oid, 'pg_class') = %(comment)s
    and has_schema_privilege(schemas.oid, 'usage')
    and has_table_privilege(landing.oid, 'select')
