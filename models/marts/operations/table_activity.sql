-- Grain: a table of either side and a UTC day with samples. Times are UTC.

with samples as (

    {{ observed_growth(
        'tables',
        ['table_id'],
        [
            'seq_scans', 'seq_rows_read', 'idx_scans', 'rows_inserted',
            'rows_updated', 'rows_hot_updated', 'rows_deleted', 'heap_blocks_read',
            'heap_blocks_hit', 'idx_blocks_read', 'idx_blocks_hit',
        ],
        'servers.statistics_since',
        [
            'schema_name', 'table_name', 'live_rows', 'dead_rows',
            'last_vacuum_at', 'last_autovacuum_at', 'last_analyze_at',
            'last_autoanalyze_at', 'transaction_age',
        ]
    ) }}

),

sizes as (

    {{ observed_sizes() }}

),

-- A table that was made anew keeps its name, and is another one.
days as (

    select
        samples.side,
        samples.schema_name,
        samples.table_name,
        {{ utc_date('samples.taken_at') }} as activity_date,
        count(*) as samples,
        max(samples.sample_id) as last_sample_id,
        cast(sum(samples.growth_seconds) / 3600 as {{ type_double() }})
            as observed_hours,
        sum(samples.rows_inserted_growth) as rows_inserted,
        sum(samples.rows_updated_growth) as rows_updated,
        sum(samples.rows_hot_updated_growth) as rows_hot_updated,
        sum(samples.rows_deleted_growth) as rows_deleted,
        sum(samples.seq_scans_growth) as seq_scans,
        sum(samples.seq_rows_read_growth) as seq_rows_read,
        sum(samples.idx_scans_growth) as idx_scans,
        sum(samples.heap_blocks_hit_growth + samples.idx_blocks_hit_growth)
            as blocks_hit,
        sum(samples.heap_blocks_read_growth + samples.idx_blocks_read_growth)
            as blocks_read,
        -- The last ones that were seen.
        (
            array_agg(sizes.table_bytes order by samples.sample_id desc)
            filter (where sizes.table_bytes is not null)
        )[1] as table_bytes,
        (
            array_agg(sizes.index_bytes order by samples.sample_id desc)
            filter (where sizes.index_bytes is not null)
        )[1] as index_bytes
    from samples
    left join sizes
        on
            samples.sample_id = sizes.sample_id
            and samples.side = sizes.side
            and samples.table_id = sizes.table_id
    group by
        samples.side,
        samples.schema_name,
        samples.table_name,
        {{ utc_date('samples.taken_at') }}

),

table_activity as (

    select
        days.side,
        days.schema_name,
        days.table_name,
        days.activity_date,
        days.samples,
        days.observed_hours,
        days.table_bytes,
        days.index_bytes,
        days.table_bytes + days.index_bytes
        - lag(days.table_bytes + days.index_bytes) over (
            partition by days.side, days.schema_name, days.table_name
            order by days.activity_date
        ) as growth_bytes,
        last_samples.live_rows,
        last_samples.dead_rows,
        cast(days.rows_inserted as bigint) as rows_inserted,
        cast(days.rows_updated as bigint) as rows_updated,
        cast(days.rows_hot_updated as bigint) as rows_hot_updated,
        cast(days.rows_deleted as bigint) as rows_deleted,
        cast(days.seq_scans as bigint) as seq_scans,
        cast(days.seq_rows_read as bigint) as seq_rows_read,
        cast(days.idx_scans as bigint) as idx_scans,
        cast(
            days.blocks_hit / nullif(days.blocks_hit + days.blocks_read, 0)
            as {{ type_double() }}
        ) as cache_hit_share,
        greatest(last_samples.last_vacuum_at, last_samples.last_autovacuum_at)
            as last_vacuum_at,
        greatest(last_samples.last_analyze_at, last_samples.last_autoanalyze_at)
            as last_analyze_at,
        last_samples.transaction_age,
        last_samples.counted_since_at
    from days
    inner join samples as last_samples
        on
            days.last_sample_id = last_samples.sample_id
            and days.side = last_samples.side
            and days.schema_name = last_samples.schema_name
            and days.table_name = last_samples.table_name

)

select * from table_activity
