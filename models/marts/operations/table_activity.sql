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
dated as (

    select
        samples.*,
        {{ utc_date('samples.taken_at') }} as activity_date,
        row_number() over (
            partition by
                samples.side,
                samples.schema_name,
                samples.table_name,
                {{ utc_date('samples.taken_at') }}
            order by samples.sample_id desc
        ) = 1 as is_last,
        sizes.table_bytes,
        sizes.index_bytes
    from samples
    left join sizes
        on
            samples.sample_id = sizes.sample_id
            and samples.side = sizes.side
            and samples.table_id = sizes.table_id

),

days as (

    select
        side,
        schema_name,
        table_name,
        activity_date,
        count(*) as samples,
        sum(growth_seconds) / 3600 as observed_hours,
        -- The last ones that were seen.
        (
            array_agg(table_bytes order by sample_id desc)
            filter (where table_bytes is not null)
        )[1] as table_bytes,
        (
            array_agg(index_bytes order by sample_id desc)
            filter (where index_bytes is not null)
        )[1] as index_bytes,
        max(live_rows) filter (where is_last) as live_rows,
        max(dead_rows) filter (where is_last) as dead_rows,
        sum(rows_inserted_growth) as rows_inserted,
        sum(rows_updated_growth) as rows_updated,
        sum(rows_hot_updated_growth) as rows_hot_updated,
        sum(rows_deleted_growth) as rows_deleted,
        sum(seq_scans_growth) as seq_scans,
        sum(seq_rows_read_growth) as seq_rows_read,
        sum(idx_scans_growth) as idx_scans,
        sum(heap_blocks_hit_growth + idx_blocks_hit_growth) as blocks_hit,
        sum(heap_blocks_read_growth + idx_blocks_read_growth) as blocks_read,
        max(greatest(last_vacuum_at, last_autovacuum_at)) filter (where is_last)
            as last_vacuum_at,
        max(greatest(last_analyze_at, last_autoanalyze_at)) filter (where is_last)
            as last_analyze_at,
        max(transaction_age) filter (where is_last) as transaction_age,
        max(counted_since_at) filter (where is_last) as counted_since_at
    from dated
    group by side, schema_name, table_name, activity_date

),

table_activity as (

    select
        side,
        schema_name,
        table_name,
        activity_date,
        samples,
        observed_hours,
        table_bytes,
        index_bytes,
        table_bytes + index_bytes
        - lag(table_bytes + index_bytes) over (
            partition by side, schema_name, table_name
            order by activity_date
        ) as growth_bytes,
        live_rows,
        dead_rows,
        cast(rows_inserted as bigint) as rows_inserted,
        cast(rows_updated as bigint) as rows_updated,
        cast(rows_hot_updated as bigint) as rows_hot_updated,
        cast(rows_deleted as bigint) as rows_deleted,
        cast(seq_scans as bigint) as seq_scans,
        cast(seq_rows_read as bigint) as seq_rows_read,
        cast(idx_scans as bigint) as idx_scans,
        cast(
            blocks_hit / nullif(blocks_hit + blocks_read, 0)
            as {{ type_double() }}
        ) as cache_hit_share,
        last_vacuum_at,
        last_analyze_at,
        transaction_age,
        counted_since_at
    from days

)

select * from table_activity
