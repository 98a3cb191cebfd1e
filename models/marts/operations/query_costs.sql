-- Grain: a statement of a group of roles on a side. Times are UTC.

with samples as (

    {{ observed_growth(
        'statements',
        ['role_name', 'query_id', 'is_top_level'],
        [
            'calls', 'seconds', 'row_count', 'blocks_hit', 'blocks_read',
            'blocks_dirtied', 'blocks_written', 'temp_blocks_written', 'wal_bytes',
        ],
        'observed.counted_since',
        is_own_since='observed.is_own_since'
    ) }}

),

roles as (

    select
        sample_id,
        side,
        role_name,
        {{ role_group() }} as role_group
    from {{ source('observed', 'roles') }}

),

texts as (

    select * from {{ source('observed', 'statement_texts') }}

),

-- What a statement's functions run is in its own costs.
grouped as (

    select
        samples.side,
        roles.role_group,
        samples.query_id,
        cast(sum(samples.calls_growth) as bigint) as calls,
        sum(samples.seconds_growth) as total_seconds,
        cast(sum(samples.row_count_growth) as bigint) as rows_returned,
        cast(sum(samples.blocks_hit_growth) as bigint) as blocks_hit,
        cast(sum(samples.blocks_read_growth) as bigint) as blocks_read,
        cast(sum(samples.blocks_dirtied_growth) as bigint) as blocks_dirtied,
        cast(sum(samples.blocks_written_growth) as bigint) as blocks_written,
        cast(sum(samples.temp_blocks_written_growth) as bigint)
            as temp_blocks_written,
        cast(sum(samples.wal_bytes_growth) as bigint) as wal_bytes,
        min(samples.began_at) filter (where samples.has_grown) as first_at,
        max(samples.taken_at) filter (where samples.has_grown) as last_at
    from samples
    inner join roles
        on
            samples.sample_id = roles.sample_id
            and samples.side = roles.side
            and samples.role_name = roles.role_name
    where samples.is_top_level
    group by samples.side, roles.role_group, samples.query_id

),

query_costs as (

    select
        grouped.side,
        grouped.role_group,
        grouped.query_id,
        texts.statement,
        grouped.calls,
        grouped.total_seconds,
        1000 * grouped.total_seconds / nullif(grouped.calls, 0)
            as mean_milliseconds,
        grouped.total_seconds
        / nullif(sum(grouped.total_seconds) over (partition by grouped.side), 0)
            as share_of_side,
        grouped.rows_returned,
        grouped.blocks_hit,
        grouped.blocks_read,
        grouped.blocks_dirtied,
        grouped.blocks_written,
        grouped.temp_blocks_written,
        grouped.wal_bytes,
        grouped.first_at,
        grouped.last_at
    from grouped
    left join texts
        on
            grouped.side = texts.side
            and grouped.query_id = texts.query_id

)

select * from query_costs
