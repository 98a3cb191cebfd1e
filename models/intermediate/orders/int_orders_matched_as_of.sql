-- Grain: an order without a trade plan that came while a signal of its symbol and side
-- was valid, with the latest such signal. Times are UTC.

{{ config(
    unique_key='order_id',
    indexes=[{'columns': ['signal_id']}],
    pre_hook="{{ avoid_nested_loops() }}"
) }}

-- "The latest valid signal" is not "the latest signal, if it is valid": an earlier
-- signal may outlive a later one. Comparing every order with every signal before it is
-- quadratic, so signals are laid over the sequence of orders instead, and each stretch
-- of orders that a signal covers is cut into blocks of 1, 2, 4, ... orders (the
-- canonical ranges of a segment tree: at most two of each size). An order then looks at
-- the one block of each size that it lies in for the latest signal there. That is a
-- window over blocks and orders together and no join: the planner has no statistics on
-- either and would compare far too many pairs.

with orders as (

    select *
    from {{ followed('stg_platform__trading_orders') }}

),

signals as (

    {% if is_from_changes() %}
        {{ signals_valid_at('orders') }}
    {% else %}
        select * from {{ ref('stg_ai__trading_signals') }}
    {% endif %}

),

-- HOLD advises against trading: it claims no order. The status of a signal is of today,
-- not of the order's time, so it does not count here.
numbered_signals as (

    select
        signal_id,
        symbol,
        signal_type as side,
        created_at,
        valid_until_at,
        row_number() over (order by created_at, signal_id) as signal_number
    from signals
    where signal_type in ('BUY', 'SELL')

),

numbered_orders as (

    select
        order_id,
        symbol,
        side,
        created_at,
        row_number() over (
            partition by symbol, side
            order by created_at, order_id
        ) - 1 as order_position,
        count(*) over (partition by symbol, side) as order_count
    from orders
    where trade_plan_id is null

),

events as (

    select
        symbol,
        side,
        created_at as event_at,
        0 as is_order,
        signal_number,
        'start' as event_type
    from numbered_signals

    union all

    select
        symbol,
        side,
        valid_until_at as event_at,
        0 as is_order,
        signal_number,
        'end' as event_type
    from numbered_signals

    union all

    select
        symbol,
        side,
        created_at as event_at,
        1 as is_order,
        null as signal_number,
        'order' as event_type
    from numbered_orders

),

-- At the same instant, starts and ends come before orders: a signal may cause an order
-- of its own instant, and is no longer valid at the instant at which it expires.
counted_events as (

    select
        symbol,
        side,
        signal_number,
        event_type,
        sum(is_order) over (
            partition by symbol, side
            order by event_at asc nulls last, is_order asc
            rows between unbounded preceding and current row
        ) as orders_before
    from events

),

-- The orders that a signal covers: positions from first_position to before
-- end_position.
spans as (

    select
        symbol,
        side,
        signal_number,
        max(orders_before) filter (where event_type = 'start') as first_position,
        max(orders_before) filter (where event_type = 'end') as end_position
    from counted_events
    where event_type <> 'order'
    group by symbol, side, signal_number

),

spans_with_next as (

    select
        *,
        lead(first_position) over (
            partition by symbol, side
            order by signal_number
        ) as next_first_position,
        lead(end_position) over (
            partition by symbol, side
            order by signal_number
        ) as next_end_position
    from spans
    where first_position < end_position

),

-- Where the next signal lives at least as long, this one ends with its start. That
-- changes no result and leaves little to cut where all signals live equally long.
clipped_spans as (

    select
        symbol,
        side,
        signal_number,
        first_position,
        case
            when next_end_position >= end_position
                then least(end_position, next_first_position)
            else end_position
        end as end_position
    from spans_with_next

),

block_sizes as (

    {% for exponent in range(31) %}
        select cast({{ 2 ** exponent }} as bigint) as block_size
        {{- " union all" if not loop.last }}
    {% endfor %}

),

-- The whole blocks of a size within a span: from the first multiple of the size to the
-- last.
sized_spans as (

    select
        clipped_spans.symbol,
        clipped_spans.side,
        clipped_spans.signal_number,
        block_sizes.block_size,
        clipped_spans.first_position
        + mod(
            block_sizes.block_size
            - mod(clipped_spans.first_position, block_sizes.block_size),
            block_sizes.block_size
        ) as first_block_start,
        clipped_spans.end_position
        - mod(clipped_spans.end_position, block_sizes.block_size) as last_block_end
    from clipped_spans
    inner join block_sizes
        on
            clipped_spans.end_position - clipped_spans.first_position
            >= block_sizes.block_size

),

-- Only what no block of twice the size covers: the first block if it is the second half
-- of such a block, the last one if it is the first half.
blocks as (

    select
        symbol,
        side,
        block_size,
        first_block_start as block_start,
        signal_number
    from sized_spans
    where
        first_block_start < last_block_end
        and mod(first_block_start, 2 * block_size) = block_size

    union all

    select
        symbol,
        side,
        block_size,
        last_block_end - block_size as block_start,
        signal_number
    from sized_spans
    where
        first_block_start < last_block_end
        and mod(last_block_end, 2 * block_size) = block_size

),

signals_and_orders as (

    select
        symbol,
        side,
        block_size,
        block_start,
        signal_number,
        null as order_id
    from blocks

    union all

    select
        numbered_orders.symbol,
        numbered_orders.side,
        block_sizes.block_size,
        numbered_orders.order_position
        - mod(
            numbered_orders.order_position, block_sizes.block_size
        ) as block_start,
        null as signal_number,
        numbered_orders.order_id
    from numbered_orders
    inner join block_sizes
        on numbered_orders.order_count >= block_sizes.block_size

),

latest_in_blocks as (

    select
        order_id,
        -- Numbers come first since they sort faster than strings.
        max(signal_number) over (
            partition by block_start, block_size, symbol, side
        ) as signal_number
    from signals_and_orders

),

latest_for_orders as (

    select
        order_id,
        max(signal_number) as signal_number
    from latest_in_blocks
    where
        order_id is not null
        and signal_number is not null
    group by order_id

),

orders_with_signals as (

    select
        latest_for_orders.order_id,
        numbered_signals.signal_id
    from latest_for_orders
    inner join numbered_signals
        on latest_for_orders.signal_number = numbered_signals.signal_number

)

select * from orders_with_signals
