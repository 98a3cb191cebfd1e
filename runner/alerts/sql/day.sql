-- Each account's realized P&L of the trades that closed on this UTC day.
select
    accounts.currency || ': ' || accounts.account as account,
    format(
        '%s %s in %s', trim_scale(round(coalesce(sum(trades.net_profit), 0), 8)), accounts.currency,
        case count(trades.trade_id) when 1 then '1 trade' else count(trades.trade_id) || ' trades' end
    ) as text
from (select distinct account, currency from performance.daily_performance) as accounts
left join performance.trades as trades
    on
        accounts.account = trades.account and accounts.currency = trades.currency
        and trades.exit_at >= date_trunc('day', clock_timestamp(), 'UTC')
group by accounts.account, accounts.currency
order by accounts.currency, accounts.account
