-- Grain: a symbol of which a bar's close is known. Times are UTC.

{{ config(
    unique_key='symbol',
    meta={
        'follows': {
            'stg_ai__market_bars': 'symbol',
            'int_timeframes': 'symbol'
        }
    }
) }}

with timeframes as (

    select *
    from {{ followed('int_timeframes') }}

),

-- Looked up by the key of the bars, timeframe by timeframe.
last_bars as (

    select
        timeframes.symbol,
        timeframes.timeframe,
        timeframes.length_seconds,
        (
            select max(bars.opened_at)
            from {{ ref('stg_ai__market_bars') }} as bars
            where
                bars.symbol = timeframes.symbol
                and bars.timeframe = timeframes.timeframe
                and bars.closed_at is not null
                and bars.close_price is not null
        ) as opened_at
    from timeframes
    {{ kept_apart() }}

),

-- A short timeframe may have ended long ago, so the newest close of any of them counts;
-- of closes at the same time, that of the shortest, as for the ensemble's decisions.
ranked_bars as (

    select
        last_bars.symbol,
        last_bars.timeframe,
        bars.close_price,
        bars.closed_at,
        bars.available_at,
        row_number() over (
            partition by last_bars.symbol
            order by
                bars.closed_at desc,
                last_bars.length_seconds asc,
                last_bars.timeframe asc
        ) as close_rank
    from last_bars
    cross join lateral (
        select stored.*
        from {{ ref('stg_ai__market_bars') }} as stored
        where
            stored.symbol = last_bars.symbol
            and stored.timeframe = last_bars.timeframe
            and stored.opened_at = last_bars.opened_at
        {{ kept_apart() }}
    ) as bars

),

last_closes as (

    select
        symbol,
        timeframe,
        close_price,
        closed_at,
        available_at
    from ranked_bars
    where close_rank = 1

)

select * from last_closes
