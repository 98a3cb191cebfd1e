-- Tables of the primary with 100,000 rows or more that scans read from end to end, each with the costliest statement with
-- a WHERE that names it: a hint.
with scans as (
    select
        schema_name,
        table_name,
        24 * sum(seq_scans) / nullif(
            sum(observed_hours) filter (where seq_scans is not null), 0
        ) as per_day,
        24 * sum(seq_rows_read) / nullif(
            sum(observed_hours) filter (where seq_rows_read is not null), 0
        ) as rows_per_day
    from operations.table_activity
    where side = 'primary'
    group by schema_name, table_name
),

statements as (
    select * from operations.query_costs
    where side = 'primary' and statement ~* '\mwhere\M' and calls > 0
)

select
    'sequential_scans' as kind,
    tables.side,
    tables.schema_name,
    tables.table_name,
    cast(null as text) as object_name,
    jsonb_build_object(
        'table_rows', tables.live_rows,
        'seq_scans_per_day', scans.per_day,
        'rows_read_per_day', scans.rows_per_day,
        'statement_calls', hint.calls,
        'statement_mean_ms', hint.mean_milliseconds,
        'statement', hint.statement
    ) as evidence,
    servers.statistics_since as counted_since_at,
    samples.taken_at as observed_at,
    cast(null as double precision) as limit_share,
    -- A row that is read: 0.0001 ms.
    0.0001 * scans.rows_per_day as milliseconds_per_day,
    cast(null as text) as statement,
    cast(null as text) as undo
from signal_marts.observed_tables as tables
inner join signal_marts.last_parts as samples
    on
        tables.sample_id = samples.sample_id
        and tables.side = samples.side
        and samples.part = 'tables'
inner join signal_marts.observed_servers as servers
    on tables.sample_id = servers.sample_id and tables.side = servers.side
inner join scans
    on tables.schema_name = scans.schema_name and tables.table_name = scans.table_name
cross join lateral (
    select * from statements
    where
        -- The name as a word, quoted or not.
        statements.statement ~* (
            '(^|\W)'
            || regexp_replace(replace(tables.table_name, '"', '""'), '(\W)', '\\\1', 'g')
            || '(\W|$)'
        )
    order by statements.total_seconds desc nulls last
    limit 1
) as hint
where
    tables.side = 'primary'
    and tables.live_rows >= 100000
    -- Once a day is a report's or a dump's.
    and scans.per_day > 1
    -- Scans that end early read few rows.
    and scans.rows_per_day >= scans.per_day * tables.live_rows / 2
