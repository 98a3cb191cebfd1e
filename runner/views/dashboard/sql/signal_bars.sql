-- Bars of the symbol's shortest timeframe around a signal, 200 of them at most on either side.
with timeframes as (
    select bars.timeframe
    from performance.price_bars as bars
    where
        bars.symbol = %(symbol)s
        and bars.opened_at between %(first)s::timestamptz - interval '7 days' and %(last)s
    group by bars.timeframe
    order by min(bars.closed_at - bars.opened_at), bars.timeframe
    limit 1
),

before_it as (
    select bars.*
    from performance.price_bars as bars
    where
        bars.symbol = %(symbol)s
        and bars.timeframe = (select timeframes.timeframe from timeframes)
        and bars.opened_at < %(first)s
    order by bars.opened_at desc
    limit 30
),

after_it as (
    select bars.*
    from performance.price_bars as bars
    where
        bars.symbol = %(symbol)s
        and bars.timeframe = (select timeframes.timeframe from timeframes)
        and bars.opened_at >= %(first)s
        and bars.opened_at <= %(last)s
    order by bars.opened_at
    limit 170
),

around_it as (
    select * from before_it
    union all
    select * from after_it
)

select
    timeframe,
    opened_at,
    closed_at,
    open_price,
    high_price,
    low_price,
    close_price,
    volume
from around_it
order by opened_at
