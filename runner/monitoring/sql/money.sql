-- Each account and currency, at most fifty, those with unexplained profits first.
select
    account,
    currency,
    count(*) filter (where is_unexplained) as unreconciled_reports,
    coalesce(sum(abs(unreconciled_profit)) filter (where is_unexplained), 0) as unreconciled_profit,
    sum(reported_net_profit) as reported_net_profit,
    sum(ai_net_profit) as ai_net_profit,
    sum(traditional_net_profit) as traditional_net_profit
from (
    select
        *,
        not is_reconciled and trading_date > current_date - 7 as is_unexplained
    from performance.daily_performance
) as days
group by account, currency
order by unreconciled_reports desc, account, currency
limit 50
