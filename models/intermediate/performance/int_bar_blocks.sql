-- Grain: a block of 1, 2, 4, ... bars of a symbol that follow each other. No times.

{{ config(
    unique_key=['symbol', 'block_size', 'block_start']
) }}

-- A block begins at a multiple of its size and holds the lowest and the highest price
-- of its bars: two blocks of one size make one of the next size. There are about twice
-- as many blocks as bars. Only complete blocks are stored, so new bars add blocks and
-- change none.

{% set largest_exponent = 20 %}

with bars as (

    select * from {{ ref('int_bars_numbered') }}

),

{% if is_from_changes() %}

    -- Unaffected blocks that make a larger block together with affected ones.
    kept as (  -- noqa: ST03

        select stored.*
        from affected
        inner join {{ this }} as stored
            on
                affected.symbol = stored.symbol
                and affected.block_size = stored.block_size
                and affected.block_start + affected.block_size * (
                    1 - 2 * mod(affected.block_start / affected.block_size, 2)
                ) = stored.block_start
        where not exists (
            select from affected as halves
            where
                halves.symbol = stored.symbol
                and halves.block_size = stored.block_size
                and halves.block_start = stored.block_start
        )

    ),

{% endif %}

blocks_of_1 as (

    select
        symbol,
        cast(1 as bigint) as block_size,
        bar_number as block_start,
        low_price,
        high_price
    from bars
    {% if is_from_changes() %}
        where (symbol, bar_number) in (
            select
                affected.symbol,
                affected.block_start
            from affected
            where affected.block_size = 1
        )
    {% endif %}

),

{% for exponent in range(1, largest_exponent + 1) %}
    halves_of_{{ 2 ** exponent }} as (

        select * from blocks_of_{{ 2 ** (exponent - 1) }}

        {% if is_from_changes() %}
            union all

            select * from kept
            where block_size = {{ 2 ** (exponent - 1) }}
        {% endif %}

    ),

    blocks_of_{{ 2 ** exponent }} as (

        select
            symbol,
            cast({{ 2 ** exponent }} as bigint) as block_size,
            block_start - mod(block_start, {{ 2 ** exponent }}) as block_start,
            cast(min(low_price) as {{ type_money() }}) as low_price,
            cast(max(high_price) as {{ type_money() }}) as high_price
        from halves_of_{{ 2 ** exponent }}
        group by symbol, block_start - mod(block_start, {{ 2 ** exponent }})
        having count(*) = 2

    ),

{% endfor %}

blocks as (

    {% for exponent in range(largest_exponent + 1) %}
        select * from blocks_of_{{ 2 ** exponent }}
        {{- " union all" if not loop.last }}
    {% endfor %}

)

select * from blocks
