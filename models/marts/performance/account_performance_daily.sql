-- Grain: an account, or all accounts of a currency, and a UTC day, every one from the
-- account's first to the last on which a signal came, a trade closed or the platform
-- reported.

{{ config(
    unique_key=['account', 'currency', 'trading_date'],
    meta={'follows': 'whole'}
) }}

with days as (

    {{ equity_risk(ref('int_account_equity'), 'account, currency') | indent(4) }}

),

last_closed as (

    select max(last_date) as last_date
    from {{ ref('int_windows') }}

),

account_performance_daily as (

    select
        days.account,
        days.currency,
        days.is_all_accounts,
        days.trading_date,
        days.trades,
        days.winning_trades,
        days.losing_trades,
        days.net_profit,
        days.gross_profit,
        days.gross_loss,
        days.start_equity,
        days.daily_return,
        days.equity,
        days.drawdown,
        days.rolling_sharpe_ratio,
        days.has_open_position,
        days.open_value,
        days.gross_exposure,
        coalesce(days.trading_date <= last_closed.last_date, false) as is_closed,
        {{ utc_midnight('days.trading_date + 1') }} as available_at
    from days
    cross join last_closed

)

select * from account_performance_daily
