{#
    A model's day with a symbol if one of its signals of the day changed, or has other numbers in
    int_signal_bars, or has a changed bar within its horizons.
#}
{% macro affected_int_signal_forward_returns() %}
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
        from {{ changes_of('int_signal_bars') }} as signal_bars

        union

        select signal_bars.signal_id
        from ranges
        cross join lateral (
            select stored.signal_id
            from {{ ref('int_signal_bars') }} as stored
            where
                stored.symbol = ranges.symbol
                and stored.first_bar_number
                between ranges.first_number - {{ horizons | last - 1 }}
                and ranges.last_number
            {{ kept_apart() }}
        ) as signal_bars

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
    from moved
    cross join lateral (
        select *
        from {{ ref('stg_ai__trading_signals') }} as stored
        where stored.signal_id = moved.signal_id
        {{ kept_apart() }}
    ) as signals
{% endmacro %}
