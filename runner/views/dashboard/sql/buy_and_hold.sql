-- What was bought and held, day by day, of the symbols that are asked for.
select
    trading_date,
    sum(start_value) as start_value,
    sum(held_value) as held_value,
    count(*) as symbols
from performance.buy_and_hold
where
    account = %(account)s
    and currency = %(currency)s
    and (%(symbols)s::text[] is null or symbol = any(%(symbols)s))
    and (%(first)s::date is null or trading_date >= %(first)s)
    and (%(last)s::date is null or trading_date <= %(last)s)
group by trading_date
order by trading_date
