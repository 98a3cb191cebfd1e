-- By how much the first of two sources earned more a day than the second, on the closed days of
-- both. Days near each other are alike: the standard error counts those up to `lag_days` apart,
-- with Bartlett's weights (Newey and West 1987; as many days as Newey and West 1994).
with days as (
    select
        own.trading_date,
        row_number() over (order by own.trading_date) as place,
        cast(own.net_profit - other.net_profit as double precision) as difference
    from performance.source_performance_daily as own
    inner join performance.source_performance_daily as other
        on
            own.trading_date = other.trading_date
            and own.account = other.account
            and own.currency = other.currency
    where
        own.source_type || ': ' || own.source_name = %(lead)s
        and other.source_type || ': ' || other.source_name = %(other)s
        and own.is_closed
        and other.is_closed
        and own.account = %(account)s
        and own.currency = %(currency)s
        and (%(first)s::date is null or own.trading_date >= %(first)s)
        and (%(last)s::date is null or own.trading_date <= %(last)s)
),

counted as (
    select
        count(*) as days,
        avg(difference) as difference,
        cast(floor(4 * power(count(*) / 100.0, 2 / 9.0)) as integer) as lag_days
    from days
),

moves as (
    select
        days.place,
        days.difference - counted.difference as move
    from days
    cross join counted
    union all
    select
        counted.days + after.place as place,
        0 as move
    from counted
    cross join lateral generate_series(1, counted.lag_days) as after (place)
),

-- Bartlett's weights are those of all stretches of so many days and one more.
stretches as (
    select
        sum(move) over (
            order by place
            rows between (select counted.lag_days from counted) preceding and current row
        ) as move
    from moves
)

select
    counted.days,
    counted.lag_days,
    counted.difference,
    (
        select sqrt(sum(stretches.move * stretches.move) / (counted.lag_days + 1))
        from stretches
    ) / counted.days as standard_error
from counted
where counted.days > 1
