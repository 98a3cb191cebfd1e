-- Tables with more than 10,000 dead rows, a fifth of the live ones, and no vacuum for a day.
with days as (
    select
        *,
        row_number() over (
            partition by side, schema_name, table_name order by activity_date desc
        ) = 1 as is_last
    from operations.table_activity
),

tables as (
    select
        side,
        schema_name,
        table_name,
        24 * sum(seq_scans) / nullif(
            sum(observed_hours) filter (where seq_scans is not null), 0
        ) as seq_scans_per_day
    from days
    group by side, schema_name, table_name
),

newest as (
    select max(taken_at) as taken_at from signal_marts.samples
)

select
    'dead_rows' as kind,
    days.side,
    days.schema_name,
    days.table_name,
    cast(null as text) as object_name,
    jsonb_build_object(
        'dead_rows', days.dead_rows,
        'live_rows', days.live_rows,
        'table_bytes', days.table_bytes,
        'last_vacuum_at', days.last_vacuum_at,
        'seq_scans_per_day', tables.seq_scans_per_day
    ) as evidence,
    days.counted_since_at,
    newest.taken_at as observed_at,
    cast(null as double precision) as limit_share,
    -- Each scan of the table reads them: 0.0001 ms a row.
    0.0001 * tables.seq_scans_per_day * days.dead_rows as milliseconds_per_day,
    format('vacuum (analyze) %I.%I;', days.schema_name, days.table_name) as statement,
    cast(null as text) as undo
from days
inner join tables
    on
        days.side = tables.side
        and days.schema_name = tables.schema_name
        and days.table_name = tables.table_name
cross join newest
where
    days.is_last
    -- A table that is gone needs nothing.
    and days.activity_date >= (newest.taken_at at time zone 'UTC')::date
    and days.dead_rows > 10000
    and days.dead_rows > 0.2 * days.live_rows
    and (days.last_vacuum_at is null or days.last_vacuum_at < newest.taken_at - interval '1 day')
