-- The accounts in which sources traded; the currency with most trades first, and of a currency all
-- accounts together.
select
    account,
    currency,
    is_all_accounts
from performance.source_performance_daily
where source_name = 'all'
group by account, currency, is_all_accounts
order by
    max(sum(trades)) over (partition by currency) desc,
    currency,
    is_all_accounts desc,
    account
