-- Each account's days; 'all' asks for all accounts of the currency.
select
    trading_date,
    account,
    reported_net_profit,
    ai_net_profit,
    traditional_net_profit,
    unreconciled_profit,
    is_reconciled,
    reported_trades,
    ai_trades,
    traditional_trades,
    ai_buy_signals,
    ai_sell_signals,
    ai_hold_signals,
    avg_ai_confidence
from performance.daily_performance
where
    currency = %(currency)s
    and %(account)s in (account, 'all')
    and (%(first)s::date is null or trading_date >= %(first)s)
    and (%(last)s::date is null or trading_date <= %(last)s)
order by trading_date, account
