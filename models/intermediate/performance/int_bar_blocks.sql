-- Grain: a block of 1, 2, 4, ... bars that follow each other. No times.

{{ config(indexes=[{'columns': ['block_start', 'block_size'], 'unique': true}]) }}

-- A block begins at a multiple of its size and holds the lowest and the highest price
-- of its bars: two blocks of a size make one of the next. All of them together are
-- twice as many as the bars. A block may run over the end of a symbol: who looks for
-- prices of one symbol asks only for blocks that lie within it.

{% set largest_exponent = 20 %}

with bars as (

    select * from {{ ref('int_bars_numbered') }}

),

blocks_of_1 as (

    select
        bar_number as block_start,
        cast(1 as bigint) as block_size,
        low_price,
        high_price
    from bars

),

{% for exponent in range(1, largest_exponent + 1) %}
    blocks_of_{{ 2 ** exponent }} as (

        select
            block_start - mod(block_start, {{ 2 ** exponent }}) as block_start,
            cast({{ 2 ** exponent }} as bigint) as block_size,
            cast(min(low_price) as {{ type_money() }}) as low_price,
            cast(max(high_price) as {{ type_money() }}) as high_price
        from blocks_of_{{ 2 ** (exponent - 1) }}
        group by block_start - mod(block_start, {{ 2 ** exponent }})

    ),

{% endfor %}

blocks as (

    {% for exponent in range(largest_exponent + 1) %}
        select * from blocks_of_{{ 2 ** exponent }}
        {{- " union all" if not loop.last }}
    {% endfor %}

)

select * from blocks
