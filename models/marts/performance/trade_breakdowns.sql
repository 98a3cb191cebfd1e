-- Grain: a source in an account, and a value of a dimension of which it closed a trade.
-- Times are UTC.

{{ config(
    unique_key=[
        'source_type', 'source_name', 'account', 'currency', 'dimension', 'dimension_value'
    ],
    meta={
        'follows': {
            'int_trade_breakdowns':
                'source_type, source_name, account, currency, dimension, dimension_value'
        }
    },
    indexes=[{'columns': ['source_name', 'dimension']}]
) }}

with breakdowns as (

    select *
    from {{ followed('int_trade_breakdowns') }}

),

-- The spread of fewer than five trades says little.
counted as (

    select
        *,
        {{ mean_profit('net_profit', 'trades') }} as expectancy,
        case when trades >= 5 then cast(trades - 1 as {{ type_double() }}) end
            as degrees
    from breakdowns

),

-- The squares are exact, so their difference is too.
measured as (

    select
        *,
        sqrt(
            cast(
                squared_profit * trades - {{ money_product(
                    'net_profit', 'net_profit'
                ) }} as {{ type_double() }}
            ) / degrees
        ) / trades * ({{ t_of_95_percent('degrees') }}) as reach
    from counted

),

trade_breakdowns as (

    select
        source_type,
        source_name,
        account,
        currency,
        is_all_accounts,
        dimension,
        dimension_value,
        place,
        trades,
        winning_trades,
        losing_trades,
        trades - winning_trades - losing_trades as break_even_trades,
        {{ hit_rate('winning_trades', 'losing_trades') }} as hit_rate,
        {{ wilson_bound(
            'winning_trades', '(winning_trades + losing_trades)', 'lower'
        ) | indent(8) }} as hit_rate_lower,
        {{ wilson_bound(
            'winning_trades', '(winning_trades + losing_trades)', 'upper'
        ) | indent(8) }} as hit_rate_upper,
        net_profit,
        fees,
        {{ profit_factor('gross_profit', 'gross_loss') }} as profit_factor,
        expectancy,
        expectancy - reach as expectancy_lower,
        expectancy + reach as expectancy_upper,
        {{ mean_profit('won_profit', 'winning_trades') }} as average_win,
        {{ mean_profit('lost_profit', 'losing_trades') }} as average_loss,
        {{ payoff_ratio() | indent(8) }} as payoff_ratio,
        first_closed_at,
        last_closed_at,
        last_closed_at as available_at
    from measured

)

select * from trade_breakdowns
