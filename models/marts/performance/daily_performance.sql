-- Grain: an account of a currency and a UTC day, every one from the first to the last
-- on which a signal came, a trade closed or the platform reported.

{# The linter has no value for a var: the default of int is for it alone. #}
{% set half_a_unit = '0.5e-' ~ var('account_decimals') | int(1) %}

{{ config(
    unique_key=['trading_date', 'account', 'currency'],
    meta={'follows': 'whole'}
) }}

with calendar as (

    select * from {{ ref('int_calendar') }}

),

accounts as (

    select *
    from {{ ref('int_accounts') }}
    where account <> 'all'

),

trading_stats as (

    select * from {{ ref('stg_platform__trading_stats') }}

),

source_days as (

    select * from {{ ref('int_source_days') }}

),

signal_days as (

    select * from {{ ref('int_signal_days') }}

),

-- Each relation is reduced to one row a day before the join: otherwise a day's profit
-- would be counted once for every signal of the day. Signals belong to no account.
daily_reports as (

    select
        trading_date,
        account,
        currency,
        cast(sum(net_profit) as {{ type_money() }}) as reported_net_profit,
        cast(sum(total_trades) as bigint) as reported_trades
    from trading_stats
    group by trading_date, account, currency

),

daily_trades as (

    select
        trading_date,
        account,
        currency,
        sum(net_profit) filter (where source_type = 'ai') as ai_net_profit,
        sum(net_profit) filter (
            where source_type = 'traditional'
        ) as traditional_net_profit,
        sum(trades) filter (where source_type = 'ai') as ai_trades,
        sum(trades) filter (where source_type = 'traditional') as traditional_trades
    from source_days
    group by trading_date, account, currency

),

daily_signals as (

    select
        trading_date,
        sum(buy_signals) as ai_buy_signals,
        sum(sell_signals) as ai_sell_signals,
        sum(hold_signals) as ai_hold_signals,
        cast(sum(total_confidence) as {{ type_double() }})
        / cast(sum(signals) as {{ type_double() }}) as avg_ai_confidence
    from signal_days
    group by trading_date

),

joined as (

    select
        calendar.trading_date,
        accounts.account,
        accounts.currency,
        daily_reports.reported_net_profit,
        daily_reports.reported_trades,
        cast(
            coalesce(daily_trades.ai_net_profit, 0) as {{ type_money() }}
        ) as ai_net_profit,
        cast(
            coalesce(daily_trades.traditional_net_profit, 0) as {{ type_money() }}
        ) as traditional_net_profit,
        cast(coalesce(daily_trades.ai_trades, 0) as bigint) as ai_trades,
        cast(
            coalesce(daily_trades.traditional_trades, 0) as bigint
        ) as traditional_trades,
        cast(coalesce(daily_signals.ai_buy_signals, 0) as bigint) as ai_buy_signals,
        cast(coalesce(daily_signals.ai_sell_signals, 0) as bigint) as ai_sell_signals,
        cast(coalesce(daily_signals.ai_hold_signals, 0) as bigint) as ai_hold_signals,
        daily_signals.avg_ai_confidence
    from calendar
    cross join accounts
    {% for relation in ['daily_reports', 'daily_trades'] %}
        left join {{ relation }}
            on
                calendar.trading_date = {{ relation }}.trading_date
                and accounts.account = {{ relation }}.account
                and accounts.currency = {{ relation }}.currency
    {% endfor %}
    left join daily_signals
        on calendar.trading_date = daily_signals.trading_date

),

compared as (

    select
        *,
        cast(
            reported_net_profit - ai_net_profit - traditional_net_profit
            as {{ type_money() }}
        ) as unreconciled_profit
    from joined

),

-- A platform rounds each trade, or the day, to the account's last decimal.
daily_performance as (

    select
        trading_date,
        account,
        currency,
        reported_net_profit,
        ai_net_profit,
        traditional_net_profit,
        unreconciled_profit,
        abs(unreconciled_profit)
        <= {{ half_a_unit }} * (1 + ai_trades + traditional_trades) as is_reconciled,
        reported_trades,
        ai_trades,
        traditional_trades,
        ai_buy_signals,
        ai_sell_signals,
        ai_hold_signals,
        avg_ai_confidence
    from compared

)

select * from daily_performance
