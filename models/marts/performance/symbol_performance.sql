-- Grain: a source in an account and a symbol in which it closed a trade. Times are UTC.

{{ config(
    unique_key=['source_type', 'source_name', 'account', 'currency', 'symbol'],
    meta={
        'affected_by': ['currency', 'symbol'],
        'follows': {
            'int_symbol_days': 'currency, symbol',
            'int_accounts': through('this', 'currency', keys='currency, symbol')
        }
    },
    indexes=[{'columns': ['symbol', 'currency']}]
) }}

with days as (

    select *
    from {{ followed('int_symbol_days') }}

),

accounts as (

    select * from {{ ref('int_accounts') }}

),

-- As in source_performance: a strategy may also be called 'all', and its trades are
-- only in the total.
named_days as (

    select
        *,
        source_name as named
    from days
    where source_name <> 'all'

    union all

    select
        *,
        'all' as named
    from days

),

sums as (

    select
        named_days.source_type,
        named_days.named as source_name,
        accounts.account,
        accounts.currency,
        accounts.is_all_accounts,
        named_days.symbol,
        {% for column in ['trades', 'winning_trades', 'losing_trades'] -%}
            cast(sum(named_days.{{ column }}) as bigint) as {{ column }},
        {% endfor -%}
        {% for column in [
            'net_profit', 'gross_profit', 'gross_loss', 'won_profit', 'lost_profit', 'fees'
        ] -%}
            cast(sum(named_days.{{ column }}) as {{ type_money() }}) as {{ column }},
        {% endfor -%}
        min(named_days.first_closed_at) as first_closed_at,
        max(named_days.last_closed_at) as last_closed_at
    from named_days
    inner join accounts
        on
            named_days.currency = accounts.currency
            and accounts.account in (named_days.account, 'all')
    group by
        named_days.source_type,
        named_days.named,
        accounts.account,
        accounts.currency,
        accounts.is_all_accounts,
        named_days.symbol

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
        first_closed_at,
        last_closed_at,
        last_closed_at as available_at
    from sums

)

select * from symbol_performance
