-- Tables of the primary with 100,000 rows or more that scans read from end to end, each with the costliest SELECT, UPDATE
-- or DELETE that names it: a hint.
with tables as (
    select
        side,
        schema_name,
        table_name,
        (array_agg(live_rows order by activity_date desc))[1] as live_rows,
        max(counted_since_at) as counted_since_at,
        24 * sum(seq_scans) / nullif(
            sum(observed_hours) filter (where seq_scans is not null), 0
        ) as seq_scans_per_day,
        24 * sum(seq_rows_read) / nullif(
            sum(observed_hours) filter (where seq_rows_read is not null), 0
        ) as seq_rows_per_day
    from operations.table_activity
    where side = 'primary'
    group by side, schema_name, table_name
),

statements as (
    select * from operations.query_costs
    where side = 'primary' and statement ~* '\mwhere\M' and calls > 0
),

newest as (
    select max(taken_at) as taken_at from signal_marts.samples
)

select
    'sequential_scans' as kind,
    tables.side,
    tables.schema_name,
    tables.table_name,
    cast(null as text) as object_name,
    jsonb_build_object(
        'table_rows', tables.live_rows,
        'seq_scans_per_day', tables.seq_scans_per_day,
        'rows_read_per_day', tables.seq_rows_per_day,
        'statement_calls', hint.calls,
        'statement_mean_ms', hint.mean_milliseconds,
        'statement', hint.statement
    ) as evidence,
    tables.counted_since_at,
    newest.taken_at as observed_at,
    cast(null as double precision) as limit_share,
    -- A row that is read: 0.0001 ms.
    0.0001 * tables.seq_rows_per_day as milliseconds_per_day,
    cast(null as text) as statement,
    cast(null as text) as undo
from tables
cross join newest
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
    tables.live_rows >= 100000
    -- Once a day is a report's or a dump's.
    and tables.seq_scans_per_day > 1
    -- Scans that end early read few rows.
    and tables.seq_rows_per_day >= tables.seq_scans_per_day * tables.live_rows / 2
