-- Bars of the symbol's shortest timeframe around a trade, in some 200 bars: of a long trade, several
-- in a row are shown as one.
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

from_it_on as (
    select bars.*
    from performance.price_bars as bars
    where
        bars.symbol = %(symbol)s
        and bars.timeframe = (select timeframes.timeframe from timeframes)
        and bars.opened_at >= %(first)s
        and bars.opened_at <= %(last)s
),

after_it as (
    select bars.*
    from performance.price_bars as bars
    where
        bars.symbol = %(symbol)s
        and bars.timeframe = (select timeframes.timeframe from timeframes)
        and bars.opened_at > %(last)s
    order by bars.opened_at
    limit 12
),

around_it as (
    select
        *,
        row_number() over (order by opened_at) - 1 as place,
        ceil(count(*) over () / 200.0) as together
    from (
        select * from before_it
        union all
        select * from from_it_on
        union all
        select * from after_it
    ) as bars
)

select
    min(timeframe) as timeframe,
    min(together)::integer as together,
    min(opened_at) as opened_at,
    max(closed_at) as closed_at,
    (array_agg(open_price order by opened_at))[1] as open_price,
    max(high_price) as high_price,
    min(low_price) as low_price,
    (array_agg(close_price order by opened_at desc))[1] as close_price,
    sum(volume) as volume
from around_it
group by floor(place / together)
order by opened_at
