{#
    A model's day with a symbol where one of its signals changed, or is placed elsewhere, or where a
    changed bar is within the horizons of one.
#}
{% macro affected_int_signals_forward() %}
    {% set horizons = var('skill_horizons_bars') %}
    {% set horizons = [1, 2] if horizons is string else horizons %}
    with changed as (

        select
            symbol,
            bar_number
        from {{ changes_of('int_bars_numbered') }} as bars

    ),

    ranges as (

        {{ bar_ranges('changed') }}

    ),

    moved as (

        select signal_id
        from {{ changes_of('int_signals_placed') }} as placed

        union

        select placed.signal_id
        from ranges
        inner join {{ ref('int_signals_placed') }} as placed
            on
                ranges.symbol = placed.symbol
                and ranges.first_number - {{ horizons | last - 1 }}
                <= placed.first_bar_number
                and ranges.last_number >= placed.first_bar_number

    )

    select
        model_id,
        {{ utc_date('created_at') }} as signal_date,
        symbol
    from {{ changes_of('stg_ai__trading_signals') }} as signals

    union

    select
        signals.model_id,
        {{ utc_date('signals.created_at') }} as signal_date,
        signals.symbol
    from {{ ref('stg_ai__trading_signals') }} as signals
    where signals.signal_id in (select moved.signal_id from moved)
{% endmacro %}
