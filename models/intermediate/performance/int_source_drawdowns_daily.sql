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

numbered_sources as (

    select distinct
        source_number,
        source_type,
        source_name,
        is_total,
        account,
        currency
    from source_trades

),

-- The day begins at 0.
running as (

    select
        source_number,
        trading_date,
        exit_at,
        closing_order_id,
        opening_order_id,
        net_profit,
        sum(net_profit) over (
            partition by source_number, trading_date
            order by exit_at, closing_order_id, opening_order_id
            rows between unbounded preceding and current row
        ) as profit
    from source_trades

),

peaks as (

    select
        source_number,
        trading_date,
        net_profit,
        profit,
        max(greatest(profit, 0)) over (
            partition by source_number, trading_date
            order by exit_at, closing_order_id, opening_order_id
            rows between unbounded preceding and current row
        ) as peak_profit
    from running

),

summed_days as (

    select
        source_number,
        trading_date,
        cast(sum(net_profit) as {{ type_money() }}) as net_profit,
        cast(max(peak_profit) as {{ type_money() }}) as highest_profit,
        cast(min(least(profit, 0)) as {{ type_money() }}) as lowest_profit,
        cast(max(peak_profit - profit) as {{ type_money() }}) as largest_fall
    from peaks
    group by source_number, trading_date

),

source_drawdowns_daily as (

    select
        summed_days.trading_date,
        numbered_sources.source_type,
        numbered_sources.source_name,
        numbered_sources.is_total,
        numbered_sources.account,
        numbered_sources.currency,
        summed_days.net_profit,
        summed_days.highest_profit,
        summed_days.lowest_profit,
        summed_days.largest_fall
    from summed_days
    inner join numbered_sources
        on summed_days.source_number = numbered_sources.source_number

)

select * from source_drawdowns_daily
