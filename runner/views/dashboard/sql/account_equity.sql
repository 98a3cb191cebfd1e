-- Equity of the account, day by day.
select
    'account' as source,
    trading_date,
    net_profit,
    trades,
    start_equity,
    equity
from performance.account_performance_daily
where
    is_closed
    and account = %(account)s
    and currency = %(currency)s
    and (%(first)s::date is null or trading_date >= %(first)s)
    and (%(last)s::date is null or trading_date <= %(last)s)
order by trading_date
