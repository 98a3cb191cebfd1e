{#
    Changed signals, and every signal whose life may include a changed bar: it begins at the bar or before,
    does not end before the bar, and had met no barrier before the bar. No signal is longer than the longest
    one, so only signals that end near the bar need to be read.
#}
{% macro affected_int_signal_exits() %}
    {% set barriers = ref('int_signal_barriers') %}
    with changed as (

        select
            symbol,
            block_start as bar_number
        from {{ changes_of('int_bar_blocks') }} as blocks
        where block_size = 1

    ),

    ranges as (

        {{ bar_ranges('changed') }}

    ),

    near as (

        {% for condition in [
            'stored.end_bar_number between ranges.first_number and ranges.last_number'
            ~ ' + (select max(end_bar_number - first_bar_number) from ' ~ barriers ~ ')',
            'stored.end_bar_number is null'
        ] %}
            select
                signals.signal_id,
                ranges.first_number
            from ranges
            cross join lateral (
                select stored.signal_id
                from {{ barriers }} as stored
                where
                    stored.symbol = ranges.symbol
                    and stored.first_bar_number <= ranges.last_number
                    and {{ condition }}
                {{ kept_apart() }}
            ) as signals

            {{ 'union all' if not loop.last }}
        {% endfor %}

    )

    select signal_id
    from {{ changes_of('int_signal_barriers') }} as barriers

    union

    select signal_id
    from near
    where coalesce((
        select stored.exit_bar_number >= near.first_number
        from {{ this }} as stored
        where stored.signal_id = near.signal_id
    ), true)
{% endmacro %}
