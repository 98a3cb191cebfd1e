-- Accounts with money, of the platform's reports of the last seven days, that trades do not explain.
select
    currency || ': ' || account as subject,
    cast(sum(abs(unreconciled_profit)) as double precision) as level,
    format(
        '%s %s unexplained on %s; performance.daily_performance has these days',
        trim_scale(sum(abs(unreconciled_profit))), currency,
        string_agg(trading_date::text, ', ' order by trading_date)
    ) as text
from performance.daily_performance
where not is_reconciled and trading_date > current_date - 7
group by account, currency
