-- Grain: a closed lot. Times are UTC.

{{ config(
    unique_key=['opening_order_id', 'closing_order_id'],
    indexes=[
        {'columns': ['symbol', 'exit_at']},
        {'columns': ['(exit_at - entry_at)']}
    ]
) }}

-- The lowest and the highest price of the bars wholly within the lot's life, without
-- reading each: a stretch of bars is one or two blocks of each size (int_bar_blocks).
-- Of blocks of a size, it takes the first if its place is odd and the last if its
-- place is even, since the next size has the others in pairs.

{% set largest_exponent = 20 %}
{%- set first_place = whole_quotient(
    '(placed.first_bar_number + sizes.block_size - 1)', 'sizes.block_size'
) %}
{%- set end_place = whole_quotient(
    '(placed.last_bar_number + 1)', 'sizes.block_size'
) %}

with lots as (

    select
        opening_order_id,
        closing_order_id,
        symbol,
        entry_at,
        exit_at
    from {{ followed('int_lots_closed') }}

),

blocks as (

    select * from {{ ref('int_bar_blocks') }}

),

sizes as (

    {% for exponent in range(largest_exponent + 1) %}
        select cast({{ 2 ** exponent }} as bigint) as block_size
        {{ 'union all' if not loop.last }}
    {% endfor %}

),

placed as (

    select
        lots.*,
        (
            select {{ nearest('min', 'stored.bar_number') }}
            from {{ ref('int_bars_numbered') }} as stored
            where
                stored.symbol = lots.symbol
                and stored.opened_at >= lots.entry_at
            {{ first_only('stored.opened_at asc') }}
        ) as first_bar_number,
        (
            select {{ nearest('max', 'stored.bar_number') }}
            from {{ ref('int_bars_numbered') }} as stored
            where
                stored.symbol = lots.symbol
                and stored.opened_at < lots.exit_at
                and stored.closed_at <= lots.exit_at
            {{ first_only('stored.opened_at desc') }}
        ) as last_bar_number
    from lots
    {{ kept_apart() }}

),

-- The places of the first block that a size has to give, and of the one after its last.
stretches as (

    select
        placed.opening_order_id,
        placed.closing_order_id,
        placed.symbol,
        sizes.block_size,
        {{ first_place }}
            as first_place,
        {{ end_place }} as end_place
    from placed
    inner join sizes
        on
            {{ first_place }}
            < {{ end_place }}

),

parts as (

    select
        *,
        first_place as from_place,
        first_place as to_place
    from stretches
    where block_size < {{ 2 ** largest_exponent }} and mod(first_place, 2) = 1

    union all

    select
        *,
        end_place - 1 as from_place,
        end_place - 1 as to_place
    from stretches
    where block_size < {{ 2 ** largest_exponent }} and mod(end_place, 2) = 1

    union all

    select
        *,
        first_place as from_place,
        end_place - 1 as to_place
    from stretches
    where block_size = {{ 2 ** largest_exponent }}

),

found as (

    select
        parts.opening_order_id,
        parts.closing_order_id,
        looked_up.low_price,
        looked_up.high_price
    from parts
    cross join lateral (
        select
            stored.low_price,
            stored.high_price
        from blocks as stored
        where
            stored.symbol = parts.symbol
            and stored.block_size = parts.block_size
            and stored.block_start >= parts.from_place * parts.block_size
            and stored.block_start <= parts.to_place * parts.block_size
        {{ kept_apart() }}
    ) as looked_up

),

extremes as (

    select
        opening_order_id,
        closing_order_id,
        cast(min(low_price) as {{ type_money() }}) as lowest_price,
        cast(max(high_price) as {{ type_money() }}) as highest_price
    from found
    group by opening_order_id, closing_order_id

),

excursions as (

    select
        lots.opening_order_id,
        lots.closing_order_id,
        lots.symbol,
        lots.entry_at,
        lots.exit_at,
        extremes.lowest_price,
        extremes.highest_price
    from lots
    left join extremes
        on
            lots.opening_order_id = extremes.opening_order_id
            and lots.closing_order_id = extremes.closing_order_id

)

select * from excursions {{ newest_together('closing_order_id') }}
