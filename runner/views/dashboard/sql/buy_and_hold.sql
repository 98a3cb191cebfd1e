-- What was bought and held, day by day, of all symbols that the account traded.
select
    trading_date,
    sum(start_value) as start_value,
    sum(held_value) as held_value,
    count(*) as symbols
from performance.buy_and_hold
where
    account = %(account)s
    and currency = %(currency)s
    and (%(first)s::date is null or trading_date >= %(first)s)
    and (%(last)s::date is null or trading_date <= %(last)s)
group by trading_date
order by trading_date
