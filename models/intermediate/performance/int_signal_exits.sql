-- Grain: a BUY or SELL signal with an entry price and a bar after it. No times.

{{ config(
    unique_key='signal_id',
    indexes=[{'columns': ['symbol', 'exit_bar_number']}],
    pre_hook="{{ prefer_index_lookups() }}"
) }}

-- Finds the first bar that touches a barrier without reading every bar: from the signal
-- on, it skips blocks of bars whose prices stay between the barriers. After a skipped
-- block it tries a block of twice the size, if one begins there and ends within the
-- signal's life. Of a block that touches a barrier, or does not exist yet, it tries the
-- first half. So a signal reads about four blocks for each doubling of the bars that it
-- lives.

with recursive entered as (

    select *
    from {{ followed('int_signal_barriers') }}

),

blocks as (

    select * from {{ ref('int_bar_blocks') }}

),

-- In the order of the bars, so that neighbouring signals read the same blocks.
ordered as (

    select *
    from entered
    order by symbol, first_bar_number

),

walks as (

    select
        signal_id,
        symbol,
        first_bar_number as block_start,
        cast(1 as bigint) as block_size,
        end_bar_number,
        lower_barrier,
        upper_barrier,
        cast(null as {{ type_money() }}) as lowest_price,
        cast(null as {{ type_money() }}) as highest_price,
        cast(null as bigint) as exit_bar_number,
        false as is_over
    from ordered

    union all

    -- A block of one bar that touches is the exit. A larger block that touches, is
    -- missing or too long is halved; any other block is skipped. The search ends at the
    -- bar that touches, after the signal's end, or where there is no bar yet.
    select
        signal_id,
        symbol,
        case
            when is_entered or is_found or is_missing then block_start
            else next_start
        end as block_start,
        case
            when is_entered then cast(block_size / 2 as bigint)
            when
                not is_found
                and mod(next_start, 2 * block_size) = 0
                and coalesce(next_start + 2 * block_size - 1 <= end_bar_number, true)
                then 2 * block_size
            else block_size
        end as block_size,
        end_bar_number,
        lower_barrier,
        upper_barrier,
        cast(case
            when is_entered or is_missing then lowest_price
            else least(low_price, coalesce(lowest_price, low_price))
        end as {{ type_money() }}) as lowest_price,
        cast(case
            when is_entered or is_missing then highest_price
            else greatest(high_price, coalesce(highest_price, high_price))
        end as {{ type_money() }}) as highest_price,
        case
            when is_found then block_start
            when
                not is_entered
                and not is_missing
                and next_start > end_bar_number
                then end_bar_number
        end as exit_bar_number,
        is_found
        or not is_entered
        and (is_missing or coalesce(next_start > end_bar_number, false)) as is_over
    from (
        select
            looked_at.*,
            looked_at.block_size > 1
            and (
                looked_at.is_touching or looked_at.is_too_long or looked_at.is_missing
            ) as is_entered,
            looked_at.block_size = 1 and looked_at.is_touching as is_found,
            looked_at.block_start + looked_at.block_size as next_start
        from (
            select
                walks.signal_id,
                walks.symbol,
                walks.block_start,
                walks.block_size,
                walks.end_bar_number,
                walks.lower_barrier,
                walks.upper_barrier,
                walks.lowest_price,
                walks.highest_price,
                blocks.low_price,
                blocks.high_price,
                coalesce(blocks.low_price <= walks.lower_barrier, false)
                or coalesce(
                    blocks.high_price >= walks.upper_barrier, false
                ) as is_touching,
                coalesce(
                    walks.block_start + walks.block_size - 1 > walks.end_bar_number,
                    false
                ) as is_too_long,
                blocks.block_start is null as is_missing
            from walks
            {% if is_from_changes() %}
                left join
                    lateral (
                        select stored.*
                        from blocks as stored
                        where
                            stored.symbol = walks.symbol
                            and stored.block_size = walks.block_size
                            and stored.block_start = walks.block_start
                        {{ kept_apart() }}
                    ) as blocks
                    on true
            {% else %}
                left join blocks
                    on
                        walks.symbol = blocks.symbol
                        and walks.block_size = blocks.block_size
                        and walks.block_start = blocks.block_start
            {% endif %}
            where not walks.is_over
        ) as looked_at
    ) as decided

),

walked as (

    select
        signal_id,
        symbol,
        exit_bar_number,
        lowest_price,
        highest_price
    from walks
    where is_over

)

select * from walked {{ newest_together('signal_id') }}
