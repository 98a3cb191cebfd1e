-- Grain: an account, or all accounts of a currency, a symbol in which it closed a
-- trade, and a UTC day of the account.

{{ config(materialized='view') }}

{# The columns that tell a holding apart. #}
{% set holding = 'account, currency, symbol' %}

with account_days as (

    select * from {{ ref('int_account_equity') }}

),

symbol_days as (

    select * from {{ ref('int_symbol_days') }}

),

accounts as (

    select
        account,
        currency,
        is_all_accounts,
        capital_base,
        min(trading_date) as first_date
    from account_days
    group by account, currency, is_all_accounts, capital_base

),

traded_symbols as (

    select distinct
        account,
        currency,
        dimension_value as symbol
    from {{ ref('int_trade_breakdowns') }}
    where dimension = 'symbol' and source_name = 'all'

),

-- Bought at the last close before the account's first day, or else at that of the first
-- day with one.
bought as (

    select
        accounts.*,
        traded_symbols.symbol,
        earlier.close_price as earlier_price,
        coalesce(earlier.close_price, later.close_price) as bought_price
    from traded_symbols
    inner join accounts
        on
            traded_symbols.account = accounts.account
            and traded_symbols.currency = accounts.currency
    left join
        lateral (
            select stored.close_price
            from {{ ref('int_symbol_days') }} as stored
            where
                stored.symbol = traded_symbols.symbol
                and stored.trading_date < accounts.first_date
            order by stored.trading_date desc
            limit 1
        ) as earlier
        on true
    left join
        lateral (
            select stored.close_price
            from {{ ref('int_symbol_days') }} as stored
            where
                stored.symbol = traded_symbols.symbol
                and stored.trading_date >= accounts.first_date
            order by stored.trading_date asc
            limit 1
        ) as later
        on true

),

-- A symbol without a price above 0 cannot be bought.
holdings as (

    select
        *,
        capital_base / count(*) over (partition by account, currency) as capital_share
    from bought
    where bought_price > 0

),

held_days as (

    select
        holdings.*,
        account_days.trading_date,
        symbol_days.close_price,
        count(symbol_days.close_price) over (
            partition by holdings.account, holdings.currency, holdings.symbol
            order by account_days.trading_date
            rows between unbounded preceding and current row
        ) as closes
    from holdings
    inner join account_days
        on
            holdings.account = account_days.account
            and holdings.currency = account_days.currency
    left join symbol_days
        on
            holdings.symbol = symbol_days.symbol
            and account_days.trading_date = symbol_days.trading_date

),

-- A day without a close has the last one before it.
priced_days as (

    select
        *,
        coalesce(
            max(close_price) over (partition by {{ holding }}, closes),
            earlier_price,
            bought_price
        ) as last_close
    from held_days

),

valued_days as (

    select
        *,
        -- The growth of a price, unlike an amount, was never judged.
        cast(
            least(
                greatest(
                    {{ proportion(
                        'capital_share', 'last_close', 'bought_price'
                    ) }}, -{{ money_limit() }}
                ), {{ money_limit() }}
            ) as {{ type_money() }}
        ) as held_value
    from priced_days

),

buy_and_hold as (

    select
        account,
        currency,
        is_all_accounts,
        symbol,
        trading_date,
        cast(bought_price as {{ type_money() }}) as bought_price,
        cast(last_close as {{ type_money() }}) as last_close,
        cast(
            coalesce(
                lag(held_value) over (
                    partition by {{ holding }}
                    order by trading_date
                ), capital_share
            ) as {{ type_money() }}
        ) as start_value,
        held_value,
        {{ utc_midnight('trading_date + 1') }} as available_at
    from valued_days

)

select * from buy_and_hold
