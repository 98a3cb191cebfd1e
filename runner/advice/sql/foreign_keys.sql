-- Foreign keys of the primary that no index serves: each DELETE on the table that they point at reads their table. A
-- partitioned table is left out: PostgreSQL cannot make an index on it concurrently.
with deletes as (
    select
        side,
        schema_name,
        table_name,
        24 * sum(rows_deleted) / nullif(
            sum(observed_hours) filter (where rows_deleted is not null), 0
        ) as per_day
    from operations.table_activity
    group by side, schema_name, table_name
)

select
    'foreign_key_without_index' as kind,
    usage.side,
    usage.schema_name,
    usage.table_name,
    usage.object_name,
    jsonb_build_object(
        'columns', usage.key_columns,
        'referenced_table', usage.referenced_table,
        'table_rows', usage.table_rows,
        'deletes_per_day', deletes.per_day,
        'writes_per_day', usage.writes_per_day
    ) as evidence,
    servers.statistics_since as counted_since_at,
    usage.observed_at,
    cast(null as double precision) as limit_share,
    -- A row that is read: 0.0001 ms.
    0.0001 * deletes.per_day * usage.table_rows as milliseconds_per_day,
    format(
        'create index concurrently %I on %I.%I (%s);',
        named.index_name,
        usage.schema_name,
        usage.table_name,
        (select string_agg(format('%I', name), ', ' order by place)
            from unnest(keys.columns) with ordinality as columns (name, place))
    ) as statement,
    format('drop index concurrently if exists %I.%I;', usage.schema_name, named.index_name) as undo
from operations.index_usage as usage
inner join signal_marts.samples on usage.observed_at = samples.taken_at
inner join signal_marts.observed_servers as servers
    on samples.id = servers.sample_id and usage.side = servers.side
inner join signal_marts.observed_foreign_keys as keys
    on
        samples.id = keys.sample_id
        and usage.side = keys.side
        and usage.schema_name = keys.schema_name
        and usage.table_name = keys.table_name
        and usage.object_name = keys.constraint_name
inner join signal_marts.observed_tables as tables
    on samples.id = tables.sample_id and keys.side = tables.side and keys.table_id = tables.table_id
left join deletes
    on
        keys.side = deletes.side
        and keys.referenced_schema = deletes.schema_name
        and keys.referenced_table = deletes.table_name
cross join lateral (
    select left(
        'idx_' || keys.table_name || '_' || array_to_string(keys.columns, '_'), 63
    ) as index_name
) as named
where usage.side = 'primary' and usage.verdict = 'no_index'
