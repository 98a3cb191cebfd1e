-- Grain: a BUY or SELL signal with an entry price and a bar after it. No times.

{{ config(pre_hook="{{ prefer_index_lookups() }}") }}

-- The first bar that touches a barrier, without looking at every bar: from the signal
-- on, blocks of bars whose prices stay between the barriers are stepped over. After a
-- block comes one of twice the size where that begins there and ends within the
-- signal's life; a block that touches is entered at its first half. So a signal looks
-- at some four blocks for each doubling of the bars that it lives.

with recursive entered as (

    select * from {{ ref('int_signals_entered') }}

),

blocks as (

    select * from {{ ref('int_bar_blocks') }}

),

walks as (

    select
        signal_id,
        first_bar_number as block_start,
        cast(1 as bigint) as block_size,
        last_bar_number,
        lower_barrier,
        upper_barrier,
        cast(null as {{ type_money() }}) as lowest_price,
        cast(null as {{ type_money() }}) as highest_price,
        false as is_touched
    from entered

    union all

    -- What a block of one bar touches is found; any other is entered, or left behind.
    select
        signal_id,
        case
            when is_entered or is_found then block_start else next_start
        end as block_start,
        case
            when is_entered then cast(block_size / 2 as bigint)
            when
                not is_found
                and mod(next_start, 2 * block_size) = 0
                and next_start + 2 * block_size - 1 <= last_bar_number
                then 2 * block_size
            else block_size
        end as block_size,
        last_bar_number,
        lower_barrier,
        upper_barrier,
        cast(case
            when is_entered then lowest_price
            else least(low_price, coalesce(lowest_price, low_price))
        end as {{ type_money() }}) as lowest_price,
        cast(case
            when is_entered then highest_price
            else greatest(high_price, coalesce(highest_price, high_price))
        end as {{ type_money() }}) as highest_price,
        is_found as is_touched
    from (
        select
            looked_at.*,
            looked_at.block_size > 1
            and (looked_at.is_touching or looked_at.is_too_long) as is_entered,
            looked_at.block_size = 1 and looked_at.is_touching as is_found,
            looked_at.block_start + looked_at.block_size as next_start
        from (
            select
                walks.signal_id,
                walks.block_start,
                walks.block_size,
                walks.last_bar_number,
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
                walks.block_start + walks.block_size - 1
                > walks.last_bar_number as is_too_long
            from walks
            inner join blocks
                on
                    walks.block_start = blocks.block_start
                    and walks.block_size = blocks.block_size
            where
                not walks.is_touched
                and walks.block_start <= walks.last_bar_number
        ) as looked_at
    ) as decided

),

-- A walk ends at the bar that touches, or behind the last one.
walked as (

    select
        signal_id,
        case when is_touched then block_start end as touched_bar_number,
        lowest_price,
        highest_price
    from walks
    where
        is_touched
        or block_start > last_bar_number

)

select * from walked
