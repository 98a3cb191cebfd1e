-- Grain: a source in an account, a symbol and a UTC day on which it closed a trade of
-- it.

{{ config(
    unique_key=[
        'trading_date', 'source_type', 'source_name', 'account', 'currency', 'symbol'
    ],
    meta={
        'follows': {
            'int_trade_breakdown_days':
                'trading_date, source_type, source_name, account, currency, dimension_value'
        }
    },
    indexes=[{'columns': ['currency', 'account', 'trading_date']}]
) }}

with symbol_days as (

    select
        *,
        dimension_value as symbol
    from {{ followed('int_trade_breakdown_days') }}
    where dimension = 'symbol'

),

symbol_performance_daily as (

    select
        trading_date,
        source_type,
        source_name,
        account,
        currency,
        symbol,
        trades,
        winning_trades,
        losing_trades,
        gross_profit,
        gross_loss,
        won_profit,
        lost_profit,
        net_profit,
        fees,
        first_closed_at,
        last_closed_at,
        last_closed_at as available_at
    from symbol_days

)

select * from symbol_performance_daily
