-- The days add up to all trades, all signals and all reports: nothing is left out, and
-- nothing is multiplied.

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
        coalesce(sum(ai_net_profit + traditional_net_profit), 0) as net_profit,
        coalesce(sum(ai_trades + traditional_trades), 0) as trade_count,
        coalesce(sum(ai_buy_signals + ai_sell_signals + ai_hold_signals), 0)
            as signal_count,
        coalesce(sum(reported_net_profit), 0) as reported_net_profit
    from daily_performance

),

trade_totals as (

    select
        coalesce(sum(net_profit), 0) as net_profit,
        count(*) as trade_count
    from trades

),

signal_totals as (

    select count(*) as signal_count
    from signals

),

report_totals as (

    select coalesce(sum(net_profit), 0) as reported_net_profit
    from trading_stats

),

violations as (

    select day_totals.*
    from day_totals
    cross join trade_totals
    cross join signal_totals
    cross join report_totals
    where
        day_totals.net_profit <> trade_totals.net_profit
        or day_totals.trade_count <> trade_totals.trade_count
        or day_totals.signal_count <> signal_totals.signal_count
        or day_totals.reported_net_profit <> report_totals.reported_net_profit

)

select * from violations
