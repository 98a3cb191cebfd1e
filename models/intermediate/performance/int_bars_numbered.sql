-- Grain: a bar of a symbol's own timeframe, the shortest it has. Times are UTC.

with bars as (

    select
        *,
        {{ seconds_between('opened_at', 'closed_at') }} as length_seconds
    from {{ ref('stg_ai__market_bars') }}
    where closed_at is not null

),

timeframes as (

    select distinct
        symbol,
        timeframe,
        length_seconds
    from bars

),

-- Two names of one length, such as 60m and 1h: the first by name.
ranked_timeframes as (

    select
        symbol,
        timeframe,
        row_number() over (
            partition by symbol
            order by length_seconds, timeframe
        ) as timeframe_rank
    from timeframes

),

-- Numbers run through all symbols, so that one number finds a bar. Those of a symbol
-- have no gap.
numbered as (

    select
        bars.symbol,
        bars.timeframe,
        row_number() over (order by bars.symbol, bars.opened_at) - 1 as bar_number,
        bars.open_price,
        bars.high_price,
        bars.low_price,
        bars.close_price,
        bars.opened_at,
        bars.closed_at,
        bars.available_at
    from bars
    inner join ranked_timeframes
        on
            bars.symbol = ranked_timeframes.symbol
            and bars.timeframe = ranked_timeframes.timeframe
            and ranked_timeframes.timeframe_rank = 1

)

select * from numbered
