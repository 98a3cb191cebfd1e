-- Grain: a source in an account, and a value of a dimension of which it closed a trade.

{{ config(
    unique_key=[
        'source_type', 'source_name', 'account', 'currency', 'dimension', 'dimension_value'
    ],
    meta={
        'affected_by': ['currency', 'dimension', 'dimension_value'],
        'follows': {
            'int_trade_breakdown_days': 'currency, dimension, dimension_value',
            'int_accounts': through(
                'this', 'currency', keys='currency, dimension, dimension_value'
            )
        }
    },
    indexes=[{'columns': ['dimension', 'dimension_value', 'currency']}]
) }}

with days as (

    select *
    from {{ followed('int_trade_breakdown_days') }}

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

int_trade_breakdowns as (

    select
        named_days.source_type,
        named_days.named as source_name,
        accounts.account,
        accounts.currency,
        accounts.is_all_accounts,
        named_days.dimension,
        named_days.dimension_value,
        max(named_days.place) as place,
        {% for column in ['trades', 'winning_trades', 'losing_trades'] -%}
            cast(sum(named_days.{{ column }}) as bigint) as {{ column }},
        {% endfor -%}
        {% for column in [
            'net_profit', 'gross_profit', 'gross_loss', 'won_profit', 'lost_profit', 'fees'
        ] -%}
            cast(sum(named_days.{{ column }}) as {{ type_money() }}) as {{ column }},
        {% endfor -%}
        cast(sum(named_days.squared_profit) as {{ type_product() }}) as squared_profit,
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
        named_days.dimension,
        named_days.dimension_value

)

select * from int_trade_breakdowns
