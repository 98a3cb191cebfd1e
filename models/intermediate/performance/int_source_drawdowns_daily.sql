-- Grain: a UTC day and a source, or all of a type, that closed a trade on it in an
-- account, or in all of a currency.

{{ config(
    unique_key=[
        'trading_date', 'source_type', 'source_name', 'is_total', 'account', 'currency'
    ],
    meta={
        'affected_by': 'trading_date',
        'follows': {
            'int_lots_closed': utc_date('exit_at'),
            'int_accounts': through('this', 'currency', keys='trading_date')
        }
    }
) }}

with trades as (

    select *
    from {{ followed('int_lots_closed') }}

),

accounts as (

    select * from {{ ref('int_accounts') }}

),

source_trades as (

    {{ trades_by_source('trades', 'accounts') }}

),

-- The day begins at 0.
running as (

    select
        *,
        sum(net_profit) over (
            partition by source_number, trading_date
            order by exit_at, closing_order_id, opening_order_id
            rows between unbounded preceding and current row
        ) as profit
    from source_trades

),

peaks as (

    select
        *,
        max(greatest(profit, 0)) over (
            partition by source_number, trading_date
            order by exit_at, closing_order_id, opening_order_id
            rows between unbounded preceding and current row
        ) as peak_profit
    from running

),

source_drawdowns_daily as (

    select
        trading_date,
        source_type,
        source_name,
        is_total,
        account,
        currency,
        cast(sum(net_profit) as {{ type_money() }}) as net_profit,
        cast(max(peak_profit) as {{ type_money() }}) as highest_profit,
        cast(min(least(profit, 0)) as {{ type_money() }}) as lowest_profit,
        cast(max(peak_profit - profit) as {{ type_money() }}) as largest_fall
    from peaks
    group by trading_date, source_type, source_name, is_total, account, currency

)

select * from source_drawdowns_daily
