{#
    Per symbol, all closes from the first one on that a changed bar may resolve: the bar's timeframe may be
    the shortest so far, and the numbers of later closes depend on it. Not followed: int_timeframes, whose
    rows come and go with their bars.
#}
{% macro affected_int_ensemble_bars() %}
    with changed as (

        select
            symbol,
            timeframe,
            min(opened_at) as opened_at,
            min(closed_at) as closed_at
        from {{ changes_of('stg_ai__market_bars') }} as bars
        where closed_at is not null
        group by symbol, timeframe

    )

    select
        changed.symbol,
        min(least(changed.closed_at, (
            select min(earlier.closed_at)
            from (
                select bars.closed_at
                from {{ ref('stg_ai__market_bars') }} as bars
                where
                    bars.symbol = changed.symbol
                    and bars.timeframe = changed.timeframe
                    and bars.opened_at < changed.opened_at
                    and bars.close_price is not null
                order by bars.opened_at desc
                limit {{ var('ensemble_horizon_bars') }}
            ) as earlier
        ))) as from_at,
        cast('infinity' as timestamptz) as to_at
    from changed
    group by changed.symbol
{% endmacro %}
