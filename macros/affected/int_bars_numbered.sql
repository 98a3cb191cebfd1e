{#
    Per symbol: all bars from the first inserted or deleted bar on, since all later bars get other numbers;
    before that bar, only the changed bars. All bars of a symbol whose timeframes changed. Bars of other
    timeframes than the symbol's own are left out, unless nothing is stored for the symbol.

    A bar that existed before and still exists has as many old images as new ones.
#}
{% macro affected_int_bars_numbered() %}
    with changed as (

        select
            symbol,
            opened_at,
            mod(count(*), 2) = 1 as is_other
        from {{ changes_of('stg_ai__market_bars') }} as bars
        where
            coalesce(
                timeframe = (
                    select stored.timeframe
                    from {{ this }} as stored
                    where stored.symbol = bars.symbol
                    order by stored.opened_at
                    limit 1
                ),
                true
            )
        group by symbol, timeframe, opened_at

        union all

        select
            symbol,
            cast('-infinity' as timestamptz) as opened_at,
            true as is_other
        from {{ changes_of('int_timeframes') }} as timeframes

    ),

    moved as (

        select
            symbol,
            min(opened_at) as from_at
        from changed
        where is_other
        group by symbol

    )

    select
        symbol,
        from_at,
        cast('infinity' as timestamptz) as to_at
    from moved

    union all

    select
        changed.symbol,
        changed.opened_at as from_at,
        changed.opened_at as to_at
    from changed
    left join moved
        on changed.symbol = moved.symbol
    where moved.symbol is null or changed.opened_at < moved.from_at
{% endmacro %}
