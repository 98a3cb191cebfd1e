-- Grain: an account, or all accounts of a currency, and a UTC day, every one from the
-- account's first to the last on which a signal came, a trade closed or the platform
-- reported.

{{ config(
    unique_key=['account', 'currency', 'trading_date'],
    meta={'follows': 'whole'}
) }}

with account_performance_daily as (

    {{ performance_daily(ref('int_account_equity'), 'account, currency') | indent(4) }}

)

select * from account_performance_daily
