{#
    A query for the last span that covers each position of a group; no row for a position without a span.

    Comparing every position with every span is quadratic, so each span is cut into blocks of 1, 2, 4,
    ... positions (the canonical ranges of a segment tree: at most two of each size). For each size, a
    position lies in one block; the query takes the last span of this block. It uses a window over blocks
    and positions together instead of a join: the planner has no statistics on either and would compare far
    too many pairs.

    spans: a relation or CTE with the columns of group_by, span_number, first_position, and
        end_position, the first position after the span. A span that ends where it begins covers no
        position.
    span_number: its column that numbers the spans by their first positions.
    positions: a relation or CTE with the columns of group_by, position, and key.
    position: its column that numbers the rows of a group from 0 on, without gaps.
    group_by: the columns within which positions are numbered, none of them NULL.
    key: the column that identifies a row of positions.

    Columns: key and span_number.
#}
{% macro last_covering(spans, span_number, positions, position, group_by, key) -%}
    {%- set groups = require_list('last_covering', 'group_by', group_by) | join(', ') -%}
    with spans_with_next as (

        select
            *,
            lead(first_position) over next_span as next_first_position,
            lead(end_position) over next_span as next_end_position
        from {{ spans }}
        where first_position < end_position
        window
            next_span as (
                partition by {{ groups }}
                order by {{ span_number }}
            )

    ),

    -- If the next span ends no earlier than this one, this span is cut at the start of the next. The result
    -- stays the same, and spans of equal length need few blocks.
    clipped_spans as (

        select
            {{ groups }},
            {{ span_number }},
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

    -- The whole blocks of a size within a span: from the first multiple of the size to the last.
    sized_spans as (

        select
            spans.*,
            block_sizes.block_size,
            spans.first_position
            + mod(
                block_sizes.block_size - mod(spans.first_position, block_sizes.block_size),
                block_sizes.block_size
            ) as first_block_start,
            spans.end_position - mod(spans.end_position, block_sizes.block_size) as last_block_end
        from clipped_spans as spans
        inner join block_sizes
            on spans.end_position - spans.first_position >= block_sizes.block_size

    ),

    -- Of these blocks, those that no block of twice the size covers: the first block if it is the second
    -- half of a larger block, the last block if it is the first half of one.
    blocks as (

        {% for block_start, half_start in [
            ('first_block_start', 'first_block_start'),
            ('last_block_end - block_size', 'last_block_end')
        ] %}
            select
                {{ groups }},
                block_size,
                {{ block_start }} as block_start,
                {{ span_number }}
            from sized_spans
            where
                first_block_start < last_block_end
                and mod({{ half_start }}, 2 * block_size) = block_size
            {{ 'union all' if not loop.last }}
        {% endfor %}

    ),

    counted_positions as (

        select
            *,
            count(*) over (partition by {{ groups }}) as position_count
        from {{ positions }}

    ),

    blocks_and_positions as (

        select
            {{ groups }},
            block_size,
            block_start,
            {{ span_number }},
            null as {{ key }}
        from blocks

        union all

        select
            {{ groups }},
            block_sizes.block_size,
            {{ position }} - mod({{ position }}, block_sizes.block_size) as block_start,
            null as {{ span_number }},
            {{ key }}
        from counted_positions
        inner join block_sizes
            on counted_positions.position_count >= block_sizes.block_size

    ),

    last_in_blocks as (

        select
            {{ key }},
            -- Numbers come first since they sort faster than strings.
            max({{ span_number }}) over (
                partition by block_start, block_size, {{ groups }}
            ) as {{ span_number }}
        from blocks_and_positions

    )

    select
        {{ key }},
        max({{ span_number }}) as {{ span_number }}
    from last_in_blocks
    where
        {{ key }} is not null
        and {{ span_number }} is not null
    group by {{ key }}
{%- endmacro %}
