-- Grain: a source in an account and a symbol in which it closed a trade. Times are UTC.

{{ config(
    unique_key=['source_type', 'source_name', 'account', 'currency', 'symbol'],
    meta={
        'follows': {
            'int_trade_breakdowns':
                'source_type, source_name, account, currency, dimension_value'
        }
    },
    indexes=[{'columns': ['symbol', 'currency']}]
) }}

with sums as (

    select
        *,
        dimension_value as symbol
    from {{ followed('int_trade_breakdowns') }}
    where dimension = 'symbol'

),

symbol_performance as (

    select
        source_type,
        source_name,
        account,
        currency,
        is_all_accounts,
        symbol,
        trades,
        winning_trades,
        losing_trades,
        trades - winning_trades - losing_trades as break_even_trades,
        {{ hit_rate('winning_trades', 'losing_trades') }} as hit_rate,
        gross_profit,
        gross_loss,
        net_profit,
        fees,
        {{ profit_factor('gross_profit', 'gross_loss') }} as profit_factor,
        {{ mean_profit('net_profit', 'trades') }} as expectancy,
        {{ mean_profit('won_profit', 'winning_trades') }} as average_win,
        {{ mean_profit('lost_profit', 'losing_trades') }} as average_loss,
        {{ payoff_ratio() | indent(8) }} as payoff_ratio,
        first_closed_at,
        last_closed_at,
        last_closed_at as available_at
    from sums

)

select * from symbol_performance
