-- The days of an account add up to all its trades and reports, and to all signals:
-- nothing is left out, and nothing is multiplied.

with daily_performance as (

    select * from {{ ref('daily_performance') }}

),

trades as (

    select * from {{ ref('trades') }}

),

signals as (

    select * from {{ ref('stg_ai__trading_signals') }}

),

trading_stats as (

    select * from {{ ref('stg_platform__trading_stats') }}

),

day_totals as (

    select
        account,
        currency,
        sum(ai_net_profit + traditional_net_profit) as net_profit,
        sum(ai_trades + traditional_trades) as trade_count,
        sum(ai_buy_signals + ai_sell_signals + ai_hold_signals) as signal_count,
        coalesce(sum(reported_net_profit), 0) as reported_net_profit
    from daily_performance
    group by account, currency

),

trade_totals as (

    select
        account,
        currency,
        sum(net_profit) as net_profit,
        count(*) as trade_count
    from trades
    group by account, currency

),

signal_totals as (

    select count(*) as signal_count
    from signals

),

report_totals as (

    select
        account,
        currency,
        coalesce(sum(net_profit), 0) as reported_net_profit
    from trading_stats
    group by account, currency

),

violations as (

    select day_totals.*
    from day_totals
    full outer join trade_totals
        on
            day_totals.account = trade_totals.account
            and day_totals.currency = trade_totals.currency
    full outer join report_totals
        on
            day_totals.account = report_totals.account
            and day_totals.currency = report_totals.currency
    cross join signal_totals
    where
        day_totals.net_profit is distinct from coalesce(trade_totals.net_profit, 0)
        or day_totals.trade_count <> coalesce(trade_totals.trade_count, 0)
        or day_totals.signal_count <> signal_totals.signal_count
        or day_totals.reported_net_profit
        <> coalesce(report_totals.reported_net_profit, 0)

)

select * from violations
