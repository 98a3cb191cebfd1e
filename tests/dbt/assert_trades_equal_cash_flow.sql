-- The profit of a symbol's trades in an account is the cash that its fills moved,
-- without that of open positions. The cash flow knows nothing of matching, so a unit
-- that is counted twice or not at all shows.

{# The linter has no value for a var: the default of int is for it alone. #}
{% set half_a_unit = '0.5e-' ~ var('money_decimals') | int(1) %}

with fills as (

    select * from {{ ref('int_fills') }}

),

trades as (

    select * from {{ ref('trades') }}

),

open_positions as (

    select * from {{ ref('int_open_positions') }}

),

cash_flows as (

    select
        account,
        currency,
        symbol,
        case side when 'SELL' then 1 else -1 end * quantity * price - fee as amount
    from fills

    union all

    select
        account,
        currency,
        symbol,
        fees - case direction when 'SHORT' then 1 else -1 end * open_quantity * price
            as amount
    from open_positions

),

symbol_cash_flows as (

    select
        account,
        currency,
        symbol,
        sum(amount) as cash_flow
    from cash_flows
    group by account, currency, symbol

),

symbol_trades as (

    select
        account,
        currency,
        symbol,
        sum(net_profit) as net_profit,
        count(*) as trade_count
    from trades
    group by account, currency, symbol

),

violations as (

    select
        symbol_cash_flows.account,
        symbol_cash_flows.currency,
        symbol_cash_flows.symbol,
        symbol_cash_flows.cash_flow,
        symbol_trades.net_profit
    from symbol_cash_flows
    left join symbol_trades
        on
            symbol_cash_flows.account = symbol_trades.account
            and symbol_cash_flows.currency = symbol_trades.currency
            and symbol_cash_flows.symbol = symbol_trades.symbol
    -- Each trade's profit is rounded, by half a unit of the last decimal at most.
    where
        abs(symbol_cash_flows.cash_flow - coalesce(symbol_trades.net_profit, 0))
        > {{ half_a_unit }} * coalesce(symbol_trades.trade_count, 0)

)

select * from violations
