-- Grain: a UTC day, a source in an account and a symbol in which it closed a trade on
-- that day.

{{ config(
    unique_key=[
        'trading_date', 'source_type', 'source_name', 'account', 'currency', 'symbol'
    ],
    meta={
        'affected_by': 'trading_date',
        'follows': {'int_lots_closed': utc_date('exit_at')}
    },
    indexes=[{'columns': ['symbol', 'currency']}]
) }}

with trades as (

    select
        *,
        {{ utc_date('exit_at') }} as trading_date
    from {{ followed('int_lots_closed') }}

),

symbol_days as (

    select
        trading_date,
        source_type,
        source_name,
        account,
        currency,
        symbol,
        count(*) as trades,
        count(*) filter (where result = 'WIN') as winning_trades,
        count(*) filter (where result = 'LOSS') as losing_trades,
        {% for column, condition in {
            'net_profit': none,
            'gross_profit': 'net_profit > 0',
            'gross_loss': 'net_profit < 0',
            'won_profit': "result = 'WIN'",
            'lost_profit': "result = 'LOSS'"
        }.items() -%}
            cast(
                coalesce(
                    sum(net_profit)
                    {%- if condition %} filter (where {{ condition }}){% endif %}, 0
                ) as {{ type_money() }}
            ) as {{ column }},
        {% endfor -%}
        cast(sum(fees) as {{ type_money() }}) as fees,
        min(exit_at) as first_closed_at,
        max(exit_at) as last_closed_at
    from trades
    group by trading_date, source_type, source_name, account, currency, symbol

)

select * from symbol_days
