-- Tables with more than 10,000 dead rows, a fifth of the live ones, and no vacuum for a day.
with scans as (
    select
        side,
        schema_name,
        table_name,
        24 * sum(seq_scans) / nullif(
            sum(observed_hours) filter (where seq_scans is not null), 0
        ) as per_day
    from operations.table_activity
    group by side, schema_name, table_name
)

select
    'dead_rows' as kind,
    tables.side,
    tables.schema_name,
    tables.table_name,
    cast(null as text) as object_name,
    jsonb_build_object(
        'dead_rows', tables.dead_rows,
        'live_rows', tables.live_rows,
        'last_vacuum_at', greatest(tables.last_vacuum_at, tables.last_autovacuum_at),
        'seq_scans_per_day', scans.per_day
    ) as evidence,
    servers.statistics_since as counted_since_at,
    samples.taken_at as observed_at,
    cast(null as double precision) as limit_share,
    -- Each scan of the table reads them: 0.0001 ms a row.
    0.0001 * scans.per_day * tables.dead_rows as milliseconds_per_day,
    format('vacuum (analyze) %I.%I;', tables.schema_name, tables.table_name) as statement,
    cast(null as text) as undo
from signal_marts.observed_tables as tables
inner join signal_marts.last_parts as samples
    on
        tables.sample_id = samples.sample_id
        and tables.side = samples.side
        and samples.part = 'tables'
inner join signal_marts.observed_servers as servers
    on tables.sample_id = servers.sample_id and tables.side = servers.side
left join scans
    on
        tables.side = scans.side
        and tables.schema_name = scans.schema_name
        and tables.table_name = scans.table_name
where
    tables.dead_rows > 10000
    and tables.dead_rows > 0.2 * tables.live_rows
    and coalesce(
        greatest(tables.last_vacuum_at, tables.last_autovacuum_at)
        < samples.taken_at - interval '1 day',
        true
    )
