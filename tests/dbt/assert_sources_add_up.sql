-- The days of all sources add up to all closed trades of their account, 'all' of a type
-- to the sources of that type, all accounts of a currency to its accounts, and a
-- source's equity to its profits.

with source_performance_daily as (

    select * from {{ ref('source_performance_daily') }}

),

accounts as (

    select * from {{ ref('int_accounts') }}

),

trades as (

    select * from {{ ref('trades') }}

),

source_totals as (

    select
        source_type,
        source_name,
        account,
        currency,
        sum(net_profit) as net_profit,
        sum(trades) as trade_count
    from source_performance_daily
    group by source_type, source_name, account, currency

),

trades_of_accounts as (

    select
        trades.source_type,
        trades.source_name,
        accounts.account,
        accounts.currency,
        trades.net_profit
    from trades
    inner join accounts
        on
            trades.currency = accounts.currency
            and accounts.account in (trades.account, 'all')

),

trade_totals as (

    select
        source_type,
        source_name,
        account,
        currency,
        sum(net_profit) as net_profit,
        count(*) as trade_count
    from trades_of_accounts
    where source_name <> 'all'
    group by source_type, source_name, account, currency

    union all

    select
        source_type,
        'all' as source_name,
        account,
        currency,
        sum(net_profit) as net_profit,
        count(*) as trade_count
    from trades_of_accounts
    group by source_type, account, currency

),

last_days as (

    select
        *,
        row_number() over (
            partition by source_type, source_name, account, currency
            order by trading_date desc
        ) as reverse_number
    from source_performance_daily

),

violations as (

    select
        coalesce(source_totals.source_type, trade_totals.source_type) as source_type,
        coalesce(source_totals.source_name, trade_totals.source_name) as source_name,
        coalesce(source_totals.account, trade_totals.account) as account,
        coalesce(source_totals.currency, trade_totals.currency) as currency,
        source_totals.net_profit,
        trade_totals.net_profit as trades_net_profit
    from source_totals
    full outer join trade_totals
        on {{ same_source('source_totals', 'trade_totals') }}
    left join last_days
        on
            {{ same_source('source_totals', 'last_days') }}
            and last_days.reverse_number = 1
    left join accounts
        on
            source_totals.account = accounts.account
            and source_totals.currency = accounts.currency
    where
        coalesce(source_totals.net_profit, 0) <> coalesce(trade_totals.net_profit, 0)
        or coalesce(source_totals.trade_count, 0)
        <> coalesce(trade_totals.trade_count, 0)
        or last_days.equity - accounts.capital_base
        is distinct from coalesce(trade_totals.net_profit, 0)
        or last_days.is_all_accounts is distinct from accounts.is_all_accounts

)

select * from violations
