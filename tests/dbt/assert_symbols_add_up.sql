-- The symbols of all sources of a type in all accounts of a currency add up to the
-- trades of the type and currency: each trade counts once.

with symbol_performance as (

    select * from {{ ref('symbol_performance') }}

),

trades as (

    select * from {{ ref('trades') }}

),

symbol_totals as (

    select
        source_type,
        currency,
        symbol,
        sum(trades) as trade_count,
        sum(net_profit) as net_profit,
        sum(fees) as fees
    from symbol_performance
    where
        source_name = 'all'
        and is_all_accounts
    group by source_type, currency, symbol

),

trade_totals as (

    select
        source_type,
        currency,
        symbol,
        count(*) as trade_count,
        sum(net_profit) as net_profit,
        sum(fees) as fees
    from trades
    group by source_type, currency, symbol

),

violations as (

    select
        coalesce(symbol_totals.source_type, trade_totals.source_type) as source_type,
        coalesce(symbol_totals.currency, trade_totals.currency) as currency,
        coalesce(symbol_totals.symbol, trade_totals.symbol) as symbol,
        symbol_totals.net_profit,
        trade_totals.net_profit as trades_net_profit
    from symbol_totals
    full outer join trade_totals
        on
            symbol_totals.source_type = trade_totals.source_type
            and symbol_totals.currency = trade_totals.currency
            and symbol_totals.symbol = trade_totals.symbol
    where
        symbol_totals.trade_count is distinct from trade_totals.trade_count
        or symbol_totals.net_profit is distinct from trade_totals.net_profit
        or symbol_totals.fees is distinct from trade_totals.fees

)

select * from violations
