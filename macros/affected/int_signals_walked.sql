{#
    A changed signal, and every one that a changed bar may be a part of: that begins with the bar or
    before, and neither ends before the bar nor had met a barrier by then. None is longer than the
    longest, so only the ends that are near the bar need be read.
#}
{% macro affected_int_signals_walked() %}
    {% set entered = ref('int_signals_entered') %}
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

        select
            entered.signal_id,
            ranges.first_number
        from ranges
        inner join {{ entered }} as entered
            on
                ranges.symbol = entered.symbol
                and ranges.last_number >= entered.first_bar_number
                and ranges.first_number <= entered.end_bar_number
                and ranges.last_number + (
                    select max(end_bar_number - first_bar_number) from {{ entered }}
                ) >= entered.end_bar_number

        union all

        select
            entered.signal_id,
            ranges.first_number
        from ranges
        inner join {{ entered }} as entered
            on
                ranges.symbol = entered.symbol
                and ranges.last_number >= entered.first_bar_number
        where entered.end_bar_number is null

    )

    select signal_id
    from {{ changes_of('int_signals_entered') }} as entered

    union

    select near.signal_id
    from near
    left join {{ this }} as stored
        on near.signal_id = stored.signal_id
    where coalesce(stored.exit_bar_number >= near.first_number, true)
{% endmacro %}
